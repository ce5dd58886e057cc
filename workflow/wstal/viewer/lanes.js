// How each kind of lane is drawn on its canvas. `x` turns seconds into pixels.
const ROWS = 6, ROW = 8, BAR = 13, CURVE = 46, PAD = 4; // pixels, but ROWS

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const STREAMS = { fused: "fused", rgb: "rgb", visual: "rgb", flow: "flow", audio: "sound-line" };
const streamColour = (name) => colour(STREAMS[name] ?? "muted");

function bar(ctx, left, right, top, height, fill, alpha = 1, outline = null) {
  const width = Math.max(right - left, 1.5);
  ctx.globalAlpha = alpha;
  ctx.fillStyle = fill;
  ctx.beginPath();
  ctx.roundRect(left, top, width, height, Math.min(2, width / 2));
  ctx.fill();
  ctx.globalAlpha = 1;
  if (outline && width > 3) {
    ctx.strokeStyle = outline;
    ctx.lineWidth = 1;
    ctx.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
  }
}

// A snippet's value holds for its whole span: a staircase, with a slope where it is narrow.
function trace(ctx, values, { t0, step }, x, top, height) {
  const wide = x(step) - x(0) > 6;
  values.forEach((value, i) => {
    const y = top + height * (1 - value / 255);
    if (wide) {
      ctx.lineTo(x(t0 + i * step), y);
      ctx.lineTo(x(t0 + (i + 1) * step), y);
    } else ctx.lineTo(x(t0 + (i + 0.5) * step), y);
  });
}
function line(ctx, values, grid, x, top, height, stroke, width = 1.2) {
  ctx.beginPath();
  trace(ctx, values, grid, x, top, height);
  ctx.strokeStyle = stroke;
  ctx.lineWidth = width;
  ctx.stroke();
}
function area(ctx, values, grid, x, top, height, fill, alpha) {
  const { t0, step } = grid;
  ctx.beginPath();
  ctx.moveTo(x(t0), top + height);
  trace(ctx, values, grid, x, top, height);
  ctx.lineTo(x(t0 + values.length * step), top + height);
  ctx.closePath();
  ctx.globalAlpha = alpha;
  ctx.fillStyle = fill;
  ctx.fill();
  ctx.globalAlpha = 1;
}
function clippedText(ctx, text, left, right, y, fill) {
  if (right - left < 24) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, y - 12, right - left, 24);
  ctx.clip();
  ctx.fillStyle = fill;
  ctx.font = "11px system-ui, sans-serif";
  ctx.textBaseline = "middle";
  ctx.fillText(text, Math.max(left, 0) + 5, y);
  ctx.restore();
}

// Rows for overlapping proposals, the best first; those that find no room share the last row.
function packed(proposals) {
  const rows = Array.from({ length: ROWS }, () => []);
  const placed = proposals.map((proposal) => {
    const free = rows.findIndex((row) => row.every((o) => o.end <= proposal.start || proposal.end <= o.start));
    const row = free < 0 ? ROWS - 1 : free;
    rows[row].push(proposal);
    return { proposal, row };
  });
  return { placed, count: Math.max(1, rows.filter((row) => row.length).length) };
}

const verdictColour = { hit: "truth", miss: "rgb", unscored: "fused" };

class ClassLane {
  constructor(video, label) {
    this.video = video;
    this.label = label;
    this.instances = video.instances.filter((instance) => instance.label === label);
    this.curve = video.activationOf(label);
    const { placed, count } = packed(video.list.filter((proposal) => proposal.label === label));
    this.placed = placed;
    this.rowsTop = PAD + BAR + 3;
    this.curveTop = this.rowsTop + count * (ROW + 1) + 3;
    this.height = this.curveTop + (this.curve ? CURVE + PAD : 0);
  }
  name() {
    const { video, label } = this, notes = [];
    if (video.videoScore) notes.push(`P ${video.videoScore[label].toFixed(2)}`);
    const { measured } = video.run, own = measured.classes[className(label)];
    if (own !== undefined) notes.push(`${measured.of} ${own.toFixed(1)}`);
    return { title: video.named(className(label)), notes: [notes[0] ?? "", notes[1] ?? ""] };
  }
  visible() {
    return this.placed.filter(({ proposal }) => proposal.score >= threshold(this.video.run));
  }
  draw(ctx, x) {
    const { video } = this;
    if (this.curve) {
      area(ctx, this.curve, video.grid, x, this.curveTop, CURVE, colour("fused"), 0.14);
      line(ctx, this.curve, video.grid, x, this.curveTop, CURVE, colour("fused"), 1.4);
    }
    for (const { start, end } of this.instances) {
      ctx.globalAlpha = 0.09;
      ctx.fillStyle = colour("truth");
      ctx.fillRect(x(start), this.rowsTop, x(end) - x(start), this.height - this.rowsTop);
      bar(ctx, x(start), x(end), PAD, BAR, colour("truth"));
    }
    for (const instance of this.instances) {
      const found = video.found(instance);
      if (found === false) { // missed: hollow, as the legend says
        bar(ctx, x(instance.start) + 1.5, x(instance.end) - 1.5, PAD + 1.5, BAR - 3, colour("panel"), 0.8);
      }
    }
    for (const { proposal, row } of this.visible().reverse()) {
      const verdict = video.verdict(proposal);
      const shade = 0.2 + 0.75 * strength(proposal.score, video.run);
      const outline = verdict === "hit" ? colour("strong") : null;
      const top = this.rowsTop + row * (ROW + 1);
      bar(ctx, x(proposal.start), x(proposal.end), top, ROW, colour(verdictColour[verdict]), shade, outline);
    }
  }
  segmentAt(t, y, slack) {
    const inside = (s) => s.start - slack <= t && t <= s.end + slack;
    if (y < this.rowsTop) {
      const instance = this.instances.find(inside);
      return instance && { ...instance, kind: "annotated", instance };
    }
    if (y >= this.curveTop) return null;
    const row = Math.floor((y - this.rowsTop) / (ROW + 1));
    const hit = this.visible().find((placed) => placed.row === row && inside(placed.proposal));
    return hit && { ...hit.proposal, kind: "proposal", proposal: hit.proposal };
  }
  valueAt(t) {
    const place = this.video.rowAt(t);
    if (!this.curve || !(place in this.curve)) return [];
    return [`activation ${scaled(this.curve[place], this.video.activation.range).toFixed(2)}`];
  }
}
const scaled = (value, [low, high]) => low + (value / 255) * (high - low);

// One cell a second: the class annotated, or the class answered.
class SecondsLane {
  constructor(video, kind) {
    this.video = video;
    this.kind = kind;
    this.labels = video.seconds[kind];
    this.height = 26;
  }
  name() {
    const result = this.video.result();
    return this.kind === "truth"
      ? { title: "annotated", notes: [] }
      : { title: this.video.named("answered"), notes: [`${result.right} of ${result.all} right`] };
  }
  draw(ctx, x) {
    this.labels.forEach((label, second) => {
      const right = label === this.video.seconds.truth[second];
      const fill = label === data.classes.length ? "fused" : this.kind === "truth" || right ? "truth" : "rgb";
      const empty = label === data.classes.length;
      const [left, end] = [x(second) + 1, x(second + 1) - 1];
      bar(ctx, left, end, 5, 16, colour(right ? fill : "rgb"), empty && right ? 0.22 : 0.9);
      clippedText(ctx, empty ? "–" : className(label), left, end, 13.5, empty && right ? colour("muted") : colour("truth-ink"));
    });
  }
  segmentAt(t) {
    const second = Math.floor(t), label = this.labels[second];
    if (label === undefined) return null;
    return { start: second, end: second + 1, label, kind: this.kind === "truth" ? "annotated" : "answered" };
  }
  valueAt() { return []; }
}

class AttentionLane {
  constructor(video) { this.video = video; this.height = 62; }
  name() {
    return { title: this.video.named("attention"), keys: this.video.attentions().map(({ name }) => [name, streamColour(name)]) };
  }
  draw(ctx, x) {
    const [top, height] = [PAD, this.height - 2 * PAD];
    const streams = this.video.attentions(), { grid } = this.video;
    area(ctx, streams[0].values, grid, x, top, height, colour("fused"), 0.3);
    for (const { name, values } of streams.slice(1)) line(ctx, values, grid, x, top, height, streamColour(name));
  }
  segmentAt() { return null; }
  valueAt(t) {
    const place = this.video.rowAt(t);
    return this.video.attentions().filter(({ values }) => place in values).map(
      ({ name, values }) => `attention ${name} ${scaled(values[place], this.video.attention.range).toFixed(2)}`);
  }
}

class SoundLane {
  constructor(video) { this.video = video; this.values = video.loudness(); this.height = 46; }
  name() { return { title: "sound", notes: ["level, −60 to 0 dB"] }; }
  draw(ctx, x) {
    const { grid } = this.video;
    area(ctx, this.values, grid, x, PAD, this.height - 2 * PAD, colour("audio"), 0.45);
    line(ctx, this.values, grid, x, PAD, this.height - 2 * PAD, colour("sound-line"));
  }
  segmentAt() { return null; }
  valueAt(t) {
    const place = this.video.rowAt(t);
    return place in this.values ? [`sound ${scaled(this.values[place], data.loudness).toFixed(0)} dB`] : [];
  }
}

class RulerLane {
  constructor() { this.height = 22; }
  name() { return { title: "", notes: ["time"] }; }
  draw(ctx, x, width) {
    const span = state.to - state.from;
    const wanted = span / Math.max(width / 90, 1);
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((s) => s >= wanted) ?? 7200;
    ctx.fillStyle = ctx.strokeStyle = colour("muted");
    ctx.font = "11px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    ctx.lineWidth = 1;
    for (let k = Math.ceil(state.from / step - 1e-9); k * step <= state.to + 1e-9; k++) {
      const at = Math.round(x(k * step)) + 0.5, text = seconds(k * step, step < 1 ? 1 : 0);
      ctx.beginPath();
      ctx.moveTo(at, this.height - 5);
      ctx.lineTo(at, this.height);
      ctx.stroke();
      ctx.fillText(text, Math.min(Math.max(at - ctx.measureText(text).width / 2, 2), width - 30), 9);
    }
  }
  segmentAt() { return null; }
  valueAt() { return []; }
}

// The whole video in little: what is annotated, and the stretch that the lanes show.
class OverviewLane {
  constructor(video) { this.video = video; this.height = 18; this.whole = true; }
  name() { return { title: "", notes: ["whole video"] }; }
  draw(ctx, x, width) {
    for (const { start, end } of this.video.instances) bar(ctx, x(start), x(end), 6, 6, colour("truth"), 0.8);
    const [left, right] = [x(state.from), x(state.to)];
    ctx.fillStyle = colour("shade");
    ctx.fillRect(left, 0, right - left, this.height);
    ctx.strokeStyle = colour("muted");
    ctx.lineWidth = 1;
    ctx.strokeRect(left + 0.5, 0.5, right - left - 1, this.height - 1);
  }
  segmentAt() { return null; }
  valueAt() { return []; }
}
