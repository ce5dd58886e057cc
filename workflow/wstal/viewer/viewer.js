// The whole page: header, controls, keys, and the choice of a video.
const clock = new Clock(byId("video"));
const timeline = new Timeline(byId("timeline"), clock);
const list = new VideoList(choose);

function header() {
  const { about } = data, badge = (text, kind) => text && byId("badges").append(element("li", text, kind));
  const names = runs.map((run) => run.about.run).filter(Boolean).join(" against ");
  byId("title").textContent = [about.title || about.dataset || "Timelines", names].filter(Boolean).join(" · ");
  badge(about.note, "note");
  badge(about.recipe && `features ${[...new Set(runs.map((run) => run.about.recipe))].join(", ")}`);
  badge(about.seed !== undefined && `seed ${about.seed}, last iterate`);
  badge(`protocol ${data.protocol.name}`);
  if (data.videoCount > videos.length)
    badge(`${videos.length} of ${data.videoCount} videos, chosen evenly over the classes`, "note");
  const { means } = data.measured;
  means.forEach(({ metric, value }) => {
    const item = element("li", `${metric} `);
    const other = data.other?.measured.means.find((mean) => mean.metric === metric);
    item.append(element("b", `${value.toFixed(1)}${other ? ` · ${other.value.toFixed(1)}` : ""} %`));
    byId("measured").append(item);
  });
  if (means.length) byId("measured").append(element("li", means[0].coverage));
  const { title } = data.protocol;
  byId("provenance-text").textContent = JSON.stringify(
    { ...about, protocol: [data.protocol.name, title].filter(Boolean).join(": "), iteration: data.iteration, provenance: data.provenance,
      ...(data.other && { other: { ...data.other.about, iteration: data.other.iteration, provenance: data.other.provenance } }) }, null, 1);
  if (data.differences) differences();
  byId("other-side").hidden = !data.other;
}

function controls() {
  const { tious } = data.protocol, tiou = byId("tiou");
  tious.forEach((value, level) => tiou.append(new Option(value.toFixed(2), level)));
  const judged = videos.some((video) => video.instances.some((instance) => instance.takers));
  state.level = judged ? Math.max(0, tious.findIndex((value) => Math.abs(value - 0.5) < 1e-9)) : -1;
  tiou.value = state.level;
  tiou.parentElement.hidden = !judged;
  byId("threshold").parentElement.hidden = data.scores.length === 0;
  byId("class").append(new Option("annotated, best found", "auto"), new Option("all", "all"));
  data.classes.forEach((name, label) => byId("class").append(new Option(name, label)));
  const legend = [["annotated", "truth"]];
  if (judged) legend[0][0] = "annotated (hollow: missed)";
  if (judged) legend.push(["true positive", "truth"], ["false positive", "rgb"]);
  else if (data.task === "events") legend.push(["right", "truth"], ["wrong", "rgb"]);
  if (!judged && data.scores.length) legend.push([data.task === "events" ? "segment of one class" : "proposal, not scored", "fused"]);
  if (data.grid) legend.push([data.activation === "logits" ? "class activation (logit)" : "class probability", "line"]);
  for (const [text, shade] of legend) {
    const item = element("li"), mark = element("span", undefined, "swatch");
    mark.style.background = `var(--${shade === "line" ? "fused" : shade})`;
    if (shade === "line") mark.style.height = "2px";
    if (text === "true positive") mark.style.outline = "1px solid var(--strong)";
    item.append(mark, text);
    byId("legend").append(item);
  }
}

function thresholdText() {
  if (!data.scores.length) return;
  const least = runs.map((run) => (run.scores.length ? threshold(run).toPrecision(3) : "–")).join(" · ");
  byId("threshold-text").textContent = state.step ? `${least} (best ${100 - state.step} %)` : "any score";
}

// Redraw after a change of tIoU, score or class; the video stays.
function redraw() {
  thresholdText();
  list.update();
  facts(current());
  tables(current());
  timeline.draw();
}

function choose(index) {
  state.video = index;
  const video = current();
  const playable = !["missing", "broken"].includes(video.status);
  clock.load(playable ? video.url : "", video.end || 1);
  state.from = 0;
  state.to = clock.end;
  picture();
  facts(video);
  tables(video);
  timeline.show(video);
  list.mark();
  try { history.replaceState(null, "", `#${encodeURIComponent(video.id)}`); } catch { /* some browsers, from disk */ }
}

function picture() {
  const video = current(), box = byId("no-picture");
  box.hidden = clock.filmed;
  if (clock.filmed) return;
  let why = "There is no video file; the timeline plays without it.";
  if (["missing", "broken"].includes(video.status)) why = `The video is ${video.status}${video.reason ? `: ${video.reason}` : ""}`;
  else if (video.url) why = `This browser cannot play ${decodeURI(video.url)}. ${video.doubtful
    ? `Few browsers play .${video.doubtful} files.` : "Is the file there, and does the browser support its codec?"} The timeline plays without it.`;
  box.querySelector("span").textContent = why;
}

function playSegment(segment) {
  if (segment.start < state.from || segment.end > state.to) {
    const span = Math.max(state.to - state.from, 1.2 * (segment.end - segment.start));
    timeline.view((segment.start + segment.end - span) / 2, (segment.start + segment.end + span) / 2);
  }
  clock.play(segment);
}

function instanceBeside(step) {
  const starts = [...new Set(current().instances.map((instance) => instance.start))].sort((a, b) => a - b);
  const t = clock.time, next = step > 0 ? starts.find((s) => s > t + 0.05) : starts.filter((s) => s < t - 0.05).pop();
  if (next === undefined) return;
  clock.leave();
  clock.seek(next);
  if (next < state.from || next > state.to) timeline.view(next, next + state.to - state.from);
}

clock.onTick = () => {
  byId("time").textContent = `${seconds(clock.time, 2)} / ${seconds(clock.end, 2)}`;
  byId("no-picture").querySelector("b").textContent = seconds(clock.time, 1);
  timeline.tick();
};
clock.onState = () => {
  document.body.classList.toggle("playing", Boolean(clock.playing));
  byId("play").setAttribute("aria-label", clock.playing ? "Pause" : "Play");
  const { segment } = clock, chip = byId("segment");
  chip.disabled = !segment;
  chip.textContent = segment
    ? `${className(segment.label)} ${seconds(segment.start, 1)}–${seconds(segment.end, 1)} ✕` : "no segment selected";
};
clock.onProblem = picture;
timeline.onSegment = playSegment;

const on = (id, event, run) => byId(id).addEventListener(event, run);
on("play", "click", () => clock.toggle());
on("previous", "click", () => list.beside(-1));
on("next", "click", () => list.beside(1));
on("rate", "change", (event) => clock.setRate(Number(event.target.value)));
on("loop", "change", (event) => { clock.loop = event.target.checked; });
on("segment", "click", () => clock.leave());
on("zoom-in", "click", () => timeline.zoom(0.5));
on("zoom-out", "click", () => timeline.zoom(2));
on("zoom-fit", "click", () => timeline.fit());
on("threshold", "input", (event) => { state.step = Number(event.target.value); redraw(); });
on("tiou", "change", (event) => { state.level = Number(event.target.value); redraw(); });
on("class", "change", (event) => { state.shown = event.target.value; timeline.show(current()); redraw(); });
on("help-open", "click", () => byId("help").showModal());

const snippet = () => (data.grid ? snippetStep() : 0.5);
const KEYS = {
  " ": () => clock.toggle(), n: () => list.beside(1), p: () => list.beside(-1),
  ArrowLeft: (event) => clock.seek(clock.time - (event.shiftKey ? 5 : 1)),
  ArrowRight: (event) => clock.seek(clock.time + (event.shiftKey ? 5 : 1)),
  ",": () => clock.seek(clock.time - snippet()), ".": () => clock.seek(clock.time + snippet()),
  "[": () => instanceBeside(-1), "]": () => instanceBeside(1),
  "+": () => timeline.zoom(0.5), "=": () => timeline.zoom(0.5), "-": () => timeline.zoom(2), 0: () => timeline.fit(),
  l: () => byId("loop").click(), "/": () => byId("search").focus(), "?": () => byId("help").showModal(),
  Escape: () => clock.leave(),
};
document.addEventListener("keydown", (event) => {
  const { target } = event, typing = target.matches("input[type=search], select");
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (typing) { if (event.key === "Escape") target.blur(); return; }
  if (target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
  if (event.key === " " && target.closest("#videos")) target.blur(); // plays the chosen video instead of choosing it again
  else if (event.key === " " && target.matches("button, input, summary")) return;
  const run = KEYS[event.key];
  if (!run) return;
  event.preventDefault();
  run(event);
});

header();
document.body.classList.toggle("two-runs", runs.length > 1);
document.body.classList.toggle("videoless", videos.every((video) => !video.url));
if (videos.length) {
  controls();
  list.fill();
  const asked = () => {
    const hash = location.hash.slice(1);
    return videos.findIndex((video) => encodeURIComponent(video.id) === hash || video.id === hash);
  };
  choose(Math.max(0, asked()));
  redraw();
  addEventListener("hashchange", () => { if (asked() >= 0 && asked() !== state.video) choose(asked()); });
} else byId("count").textContent = "No video to show";
