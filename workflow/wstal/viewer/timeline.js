// The lanes of the current video under one view of time, with playhead, zoom and pointer.
class Timeline {
  constructor(root, clock) {
    this.root = root;
    this.clock = clock;
    this.lanes = [];
    this.onSegment = () => {};
    new ResizeObserver(() => this.draw()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    byId("lanes").addEventListener("wheel", (event) => this._wheel(event), { passive: false });
    byId("lanes").addEventListener("pointerleave", () => this._hover(null));
  }
  show(video) {
    const kinds = [new OverviewLane(video), new RulerLane()];
    const { sides } = video;
    if (video.seconds) kinds.push(new SecondsLane(video, "truth"));
    for (const side of sides) if (side.seconds) kinds.push(new SecondsLane(side, "given"));
    for (const label of video.classesShown()) kinds.push(...sides.map((side) => new ClassLane(side, label)));
    for (const side of sides) if (side.attention) kinds.push(new AttentionLane(side));
    if (video.loudness()) kinds.push(new SoundLane(video));
    this.lanes = kinds.map((lane) => this._place(lane));
    byId("lanes").replaceChildren(...this.lanes.map((lane) => lane.row));
    this.draw();
  }
  _place(lane) {
    const row = element("div", undefined, "lane"), name = element("div", undefined, "name");
    const { title, notes = [], keys } = lane.name();
    if (title) name.append(element("b", title));
    name.title = title;
    for (const note of notes) if (note) name.append(element("span", note));
    if (keys) {
      const list = element("span", undefined, "keys");
      for (const [text, shade] of keys) {
        const key = element("span"), mark = element("i");
        mark.style.background = shade;
        key.append(mark, text);
        list.append(key);
      }
      name.append(list);
    }
    const canvas = element("canvas");
    canvas.style.height = `${lane.height}px`;
    canvas.setAttribute("role", "img"); // the tables below hold the same as text
    canvas.setAttribute("aria-label", `${title || notes[0]} over time`);
    row.append(name, canvas);
    lane.row = row;
    lane.canvas = canvas;
    canvas.addEventListener("pointerdown", (event) => this._down(event, lane));
    canvas.addEventListener("pointermove", (event) => this._hover(event, lane));
    return lane;
  }
  get area() {
    const canvas = this.lanes[0].canvas;
    return { left: canvas.offsetLeft + canvas.parentElement.offsetLeft, width: canvas.clientWidth };
  }
  draw() {
    if (!this.lanes.length) return;
    const ratio = devicePixelRatio || 1;
    for (const lane of this.lanes) {
      const { canvas } = lane, width = canvas.clientWidth;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(lane.height * ratio);
      const ctx = canvas.getContext("2d");
      ctx.scale(ratio, ratio);
      const [from, to] = lane.whole ? [0, this.clock.end] : [state.from, state.to];
      lane.draw(ctx, (t) => ((t - from) / (to - from)) * width, width);
    }
    this.tick();
  }
  // Moves playhead and band; turns the page of a closer view when the playhead leaves it.
  tick() {
    if (!this.lanes.length) return;
    const t = this.clock.time, span = state.to - state.from;
    if (this.clock.playing && (t > state.to || t < state.from) && span < this.clock.end) {
      this.view(t, t + span);
      return;
    }
    const { left, width } = this.area;
    byId("whole-playhead").style.transform = `translateX(${left + (t / this.clock.end) * width}px)`;
    const x = (s) => left + ((s - state.from) / span) * width;
    byId("playhead").hidden = t < state.from - 1e-6 || t > state.to + 1e-6;
    byId("playhead").style.transform = `translateX(${x(t)}px)`;
    const { segment } = this.clock, band = byId("band");
    const [start, end] = segment ? [Math.max(segment.start, state.from), Math.min(segment.end, state.to)] : [1, 0];
    band.hidden = end <= start;
    if (!band.hidden) {
      band.style.transform = `translateX(${x(start)}px)`;
      band.style.width = `${x(end) - x(start)}px`;
    }
  }
  view(from, to) {
    const whole = this.clock.end, span = Math.min(Math.max(to - from, Math.min(1, whole)), whole);
    state.from = Math.min(Math.max(from, 0), whole - span);
    state.to = state.from + span;
    this.draw();
  }
  zoom(factor, around = this.clock.time) {
    const at = Math.min(Math.max(around, state.from), state.to);
    const from = at - (at - state.from) * factor;
    this.view(from, from + (state.to - state.from) * factor);
  }
  fit() { this.view(0, this.clock.end); }
  _time(event, lane) {
    const box = lane.canvas.getBoundingClientRect();
    const [from, to] = lane.whole ? [0, this.clock.end] : [state.from, state.to];
    return from + ((event.clientX - box.left) / box.width) * (to - from);
  }
  _segment(event, lane) {
    const slack = lane.whole ? 0 : (2 * (state.to - state.from)) / lane.canvas.clientWidth;
    const y = event.clientY - lane.canvas.getBoundingClientRect().top;
    return lane.segmentAt(this._time(event, lane), y, slack);
  }
  _down(event, lane) {
    if (event.button !== 0) return;
    event.preventDefault();
    const segment = this._segment(event, lane), { clientX } = event;
    let dragged = !segment;
    const follow = (moved) => {
      dragged ||= Math.abs(moved.clientX - clientX) > 4;
      if (!dragged) return;
      const t = this._time(moved, lane), span = state.to - state.from;
      if (lane.whole && span < this.clock.end) this.view(t - span / 2, t + span / 2);
      this.clock.seek(t);
    };
    follow(event);
    lane.canvas.setPointerCapture(event.pointerId);
    lane.canvas.addEventListener("pointermove", follow);
    const release = (up) => {
      lane.canvas.removeEventListener("pointermove", follow);
      if (!dragged && up.type === "pointerup") this.onSegment(segment);
    };
    lane.canvas.addEventListener("pointerup", release, { once: true });
    lane.canvas.addEventListener("pointercancel", release, { once: true });
  }
  _hover(event, lane) {
    const tip = byId("tip"), hair = byId("hair");
    tip.hidden = hair.hidden = !event || Boolean(lane.whole);
    if (tip.hidden) return;
    const t = this._time(event, lane), segment = this._segment(event, lane);
    lane.canvas.classList.toggle("on-segment", Boolean(segment));
    hair.style.transform = `translateX(${event.clientX - this.root.getBoundingClientRect().left - this.root.clientLeft}px)`;
    const lines = segment ? segmentLines(lane.video ?? current(), segment) : [seconds(t, 2)];
    tip.replaceChildren(...[...lines, ...lane.valueAt(t)].map((text) => element("div", text)));
    const right = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(right, 4)}px`;
    tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
  }
  _wheel(event) {
    const lane = this.lanes.find(({ canvas }) => canvas === event.target);
    const span = state.to - state.from;
    if (!lane) return;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY * 0.003), this._time(event, lane));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      const by = ((event.deltaX || event.deltaY) / lane.canvas.clientWidth) * span;
      this.view(state.from + by, state.to + by);
    }
  }
}

function segmentLines(video, segment) {
  const range = `${seconds(segment.start, 2)} – ${seconds(segment.end, 2)} (${(segment.end - segment.start).toFixed(2)} s)`;
  const lines = [`${className(segment.label)}, ${segment.kind}`, range];
  if (segment.proposal) {
    lines.push(`score ${segment.score.toPrecision(3)}`);
    if (state.level >= 0) lines.push(`best tIoU ${segment.overlap.toFixed(2)}: ${verdictText(video, segment.proposal)}`);
  } else if (segment.instance?.takers) {
    lines.push(`best tIoU ${segment.overlap.toFixed(2)}: ${video.found(segment.instance) ? "found" : "missed"} at ${tiouText()}`);
  }
  return lines;
}
function verdictText(video, proposal) {
  const texts = { hit: "true positive", miss: "false positive", unscored: "not scored" };
  return `${texts[video.verdict(proposal)]} at ${tiouText()}`;
}
