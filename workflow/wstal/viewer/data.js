// The page's data, decoded video by video, and what is derived from it. Ids, labels and notes are
// untrusted text: they only ever become text nodes.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function bytes(text) {
  const raw = atob(text);
  const array = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) array[i] = raw.charCodeAt(i);
  return array;
}
const floats = (text) => new Float32Array(bytes(text).buffer);
const shorts = (text) => new Uint16Array(bytes(text).buffer);

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function seconds(t, digits = 1) {
  const minutes = Math.floor(t / 60 + 1e-9);
  const rest = Math.max(0, t - 60 * minutes);
  return `${minutes}:${rest.toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

// What the user has set. `level` is the index of the tIoU in the protocol's list, or -1.
const state = { video: 0, level: -1, step: 0, shown: "auto", from: 0, to: 1 };
// The runs of the page: one, or two that are compared. Each has its names, scores and grid.
const runs = data.other ? [data, data.other] : [data];
const runName = (run) => run.about.run || "run";
const threshold = (run) => (state.step > 0 && run.scores.length ? run.scores[state.step] : -Infinity);
const className = (label) => data.classes[label] ?? "background";
const tiouText = () => (state.level < 0 ? "" : data.protocol.tious[state.level].toFixed(2));

// The rank of a score among all scores of its run, 0 to 1.
function strength(score, { scores }) {
  let low = 0, high = scores.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (scores[middle] <= score) low = middle; else high = middle - 1;
  }
  return scores.length > 1 ? low / (scores.length - 1) : 1;
}

class Video {
  constructor(entry, run = data) {
    Object.assign(this, entry);
    this.entry = entry;
    this.run = run;
    if (entry.other) this.other = new Video({ ...entry, ...entry.other, other: null }, data.other);
  }
  // The video as each run of the page sees it.
  get sides() { return this.other ? [this, this.other] : [this]; }
  // Where the rows of its curves are, in seconds.
  get grid() { return { t0: this.run.grid.t0, step: this.step ?? this.run.grid.step }; }
  rowAt(t) { return this.run.grid ? Math.floor((t - this.grid.t0) / this.grid.step) : -1; }
  // What a lane or a table of this run is called, if the page has two.
  named(title) { return runs.length > 1 ? `${title} · ${runName(this.run)}` : title; }
  get scores() { return (this._scores ??= floats(this.entry.proposals.score)); }
  get list() { return (this._list ??= this.readProposals()); }

  readProposals() {
    const from = this.entry.proposals;
    const start = floats(from.start), end = floats(from.end), label = shorts(from.label);
    const overlap = from.overlap && shorts(from.overlap), held = from.held && bytes(from.held);
    return Array.from(this.scores, (score, index) => ({
      index, score, start: start[index], end: end[index], label: label[index],
      overlap: overlap && overlap[index] / data.tiouSteps,
      held: held ? held[index] === 1 : false,
    }));
  }
  // {proposal: instance} of the hits at the chosen tIoU.
  hits() {
    if (this._level !== state.level) {
      this._level = state.level;
      this._hits = new Map();
      this.entry.instances.forEach((instance, index) => {
        const taker = instance.takers ? instance.takers[state.level] ?? -1 : -1;
        if (taker >= 0) this._hits.set(taker, index);
      });
    }
    return this._hits;
  }
  verdict(proposal) {
    if (this.hits().has(proposal.index)) return "hit";
    return state.level >= 0 && proposal.held ? "miss" : "unscored";
  }
  // Whether an instance is hit by a proposal above the score threshold; undefined: not scored.
  found(instance) {
    if (!instance.takers || state.level < 0) return undefined;
    const taker = instance.takers[state.level];
    return taker >= 0 && this.scores[taker] >= threshold(this.run);
  }
  // The video's result: {right, all, unit}, or null if nothing is scored.
  result() {
    if (this.seconds) {
      const right = this.seconds.truth.filter((label, i) => label === this.seconds.given[i]);
      return { right: right.length, all: this.seconds.truth.length, unit: "seconds right" };
    }
    const scored = this.instances.filter((instance) => this.found(instance) !== undefined);
    if (!scored.length) return null;
    const right = scored.filter((instance) => this.found(instance)).length;
    return { right, all: scored.length, unit: "instances found" };
  }
  // Classes to draw: one, all that are kept, or the annotated and the best found, three at most.
  classesShown() {
    const annotated = [...new Set([...this.instances.map((i) => i.label), ...this.labels])];
    if (state.shown !== "auto" && state.shown !== "all") return [Number(state.shown)];
    const found = this.sides.flatMap((side) => side.list.map((proposal) => proposal.label));
    const every = [...new Set([...annotated, ...found, ...(this.kept ?? [])])];
    return state.shown === "all" ? every : every.slice(0, Math.max(3, annotated.length));
  }
  activationOf(label) {
    const place = (this.kept ?? []).indexOf(label);
    return place < 0 ? null : (this[`_curve${place}`] ??= bytes(this.activation.curves[place]));
  }
  attentions() {
    return (this._attentions ??= Object.entries(this.attention?.curves ?? {}).map(
      ([name, text]) => ({ name, values: bytes(text) })));
  }
  loudness() {
    return this.sound ? (this._sound ??= bytes(this.sound)) : null;
  }
}
const videos = data.videos.map((entry) => new Video(entry));
const current = () => videos[state.video];
// Seconds from snippet to snippet of the shown video.
const snippetStep = () => current().grid.step;
