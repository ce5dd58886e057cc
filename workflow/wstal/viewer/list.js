// The list of videos on the left: search, filter, order, and the result of each.
const ORDERS = {
  "in order": () => 0,
  "worst first": (a, b) => share(a) - share(b),
  "longest first": (a, b) => b.end - a.end,
  "by id": (a, b) => a.id.localeCompare(b.id, undefined, { numeric: true }),
};
const share = (video) => {
  const result = video.result();
  return result ? result.right / result.all : 2;
};
// Over how many more instances (seconds) one of two runs is right than the other.
const gap = (video) => {
  const [one, other] = video.sides.map((side) => side.result());
  return one && other ? one.right - other.right : 0;
};
if (runs.length > 1) {
  const order = (run, sign) => { ORDERS[`best for ${runName(run)}`] = (a, b) => sign * (gap(b) - gap(a)); };
  order(runs[0], 1);
  order(runs[1], -1);
}
const FILTERS = {
  "all videos": () => true,
  "something missed": (video) => share(video) < 1,
  "all found": (video) => share(video) === 1,
  ...(runs.length > 1 ? { "runs differ": (video) => gap(video) !== 0 } : {}),
  "not ok": (video) => !["ok", ""].includes(video.status),
};

class VideoList {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.order = [];
    for (const name of Object.keys(FILTERS)) byId("filter").append(new Option(name));
    const group = element("optgroup");
    group.label = "with the class";
    data.classes.forEach((name, label) => group.append(new Option(name, `class ${label}`)));
    byId("filter").append(group);
    for (const name of Object.keys(ORDERS)) byId("sort").append(new Option(name));
    for (const id of ["search", "filter", "sort"]) byId(id).addEventListener("input", () => this.fill());
    this.rows = videos.map((video, index) => this._row(video, index));
  }
  _row(video, index) {
    const row = element("li"), button = element("button");
    button.type = "button";
    const labels = video.labels.map(className).join(", ") || "no class";
    button.append(element("b", video.id), element("span", "", "result"));
    button.append(element("small", `${seconds(video.end, 0)} · ${labels}`));
    const meter = element("span", undefined, "meter");
    meter.append(element("i"));
    button.append(meter);
    button.title = `${video.id}: ${labels}`;
    button.addEventListener("click", () => this.onChoose(index));
    row.append(button);
    return { row, button };
  }
  // Results depend on tIoU and score. They are rewritten in place; the order stays.
  update() {
    videos.forEach((video, index) => {
      const { button } = this.rows[index], text = button.querySelector(".result");
      const results = video.sides.map((side) => side.result()), [result] = results;
      const broken = !["ok", ""].includes(video.status);
      const counts = results.map((each) => (each ? `${each.right}/${each.all}` : "–")).join(" · ");
      text.textContent = result ? counts : broken ? video.status : "";
      text.classList.toggle("bad", broken);
      button.querySelector(".meter").style.visibility = result ? "" : "hidden";
      button.querySelector("i").style.width = result ? `${(100 * result.right) / result.all}%` : "0";
    });
  }
  fill() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = byId("filter").value;
    const keep = FILTERS[chosen] ?? ((video) => video.labels.includes(Number(chosen.slice(6))));
    const text = (video) => [video.id, ...video.labels.map(className)].join(" ").toLowerCase();
    this.order = videos.map((video, index) => index).filter((index) =>
      keep(videos[index]) && words.every((word) => text(videos[index]).includes(word)));
    this.order.sort((a, b) => ORDERS[byId("sort").value](videos[a], videos[b]) || a - b);
    byId("videos").replaceChildren(...this.order.map((index) => this.rows[index].row));
    byId("count").textContent = `${this.order.length} of ${videos.length} videos`;
  }
  mark() {
    this.rows.forEach(({ button }, index) => {
      if (index === state.video) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    this.rows[state.video].row.scrollIntoView({ block: "nearest" });
  }
  beside(step) {
    const at = this.order.indexOf(state.video);
    const next = this.order[at < 0 ? 0 : at + step];
    if (next !== undefined) this.onChoose(next);
  }
}
