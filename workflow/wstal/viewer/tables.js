// Facts of the current video, its annotated instances and its best proposals as tables.
const LISTED = 100;

function facts(video) {
  const box = byId("facts"), list = element("dl");
  const fact = (name, ...parts) => {
    const value = element("dd");
    value.append(...parts);
    list.append(element("dt", name), value);
  };
  fact("length", video.duration ? `${seconds(video.duration, 2)} (${video.duration.toFixed(2)} s)` : "unknown");
  if (video.size[0]) fact("picture", `${video.size.join(" × ")}, ${video.fps.toFixed(2)} fps`);
  fact("status", element("span", [video.status || "unknown", video.reason].filter(Boolean).join(": "),
    ["ok", ""].includes(video.status) ? "" : "bad"));
  fact("classes", video.labels.map(className).join(", ") || "none",
    video.annotated ? "" : " (segments not annotated)");
  if (data.grid) fact("snippets", video.snippets ? String(video.snippets) : "not scored by the model");
  for (const side of video.sides) {
    const result = side.result(), name = side.named("result");
    if (result) {
      const least = state.step ? `, score ≥ ${threshold(side.run).toPrecision(3)}` : "";
      const at = video.seconds ? "" : ` at tIoU ${tiouText()}${least}`;
      fact(name, `${result.right} of ${result.all} ${result.unit}${at}`);
    } else fact(name, data.protocol.tious.length ? "nothing to score" : "");
  }
  box.replaceChildren(element("h2", video.id), list);
  for (const side of video.sides) {
    if (!side.videoScore) continue;
    if (video.other) box.append(element("h2", runName(side.run)));
    box.append(likeliest(side));
  }
}

function likeliest(video) {
  const bars = element("div", undefined, "bars");
  const order = video.videoScore.map((p, label) => label).sort((a, b) => video.videoScore[b] - video.videoScore[a]);
  for (const label of order.slice(0, 5)) {
    const meter = element("div", undefined, "meter"), fill = element("i");
    meter.classList.toggle("other", !video.labels.includes(label));
    fill.style.width = `${100 * Math.min(Math.max(video.videoScore[label], 0), 1)}%`;
    meter.append(fill);
    bars.append(element("span", className(label)), meter, element("output", video.videoScore[label].toFixed(2)));
  }
  return bars;
}

function fillTable(table, heads, rows) {
  const head = element("tr");
  for (const [text, kind] of heads) head.append(element("th", text, kind));
  const body = rows.map(({ segment, cells }) => {
    const row = element("tr"), button = element("button", "▶"), first = element("td");
    button.type = "button";
    button.title = "Play this segment";
    button.setAttribute("aria-label", `Play ${seconds(segment.start)} to ${seconds(segment.end)}`);
    button.addEventListener("click", () => playSegment(segment));
    first.append(button);
    row.append(first);
    cells.forEach(([text, kind]) => row.append(element("td", text, kind)));
    return row;
  });
  table.replaceChildren(head, ...body);
}

function tables(video) {
  const scored = state.level >= 0;
  const instances = video.instances.map((instance, index) => {
    const cells = [[className(instance.label)], [seconds(instance.start, 2), "number"], [seconds(instance.end, 2), "number"]];
    for (const side of scored ? video.sides : []) {
      const own = side.instances[index], found = side.found(own);
      cells.push([own.takers ? own.overlap.toFixed(2) : "", "number"]);
      cells.push(found === undefined ? ["not scored"] : found ? ["found", "hit"] : ["missed", "miss"]);
    }
    return { segment: { ...instance, kind: "annotated", instance }, cells };
  });
  const common = [[""], ["class"], ["start", "number"], ["end", "number"]];
  const verdicts = video.sides.flatMap((side) =>
    [["best tIoU", "number"], [runs.length > 1 ? runName(side.run) : `at ${tiouText()}`]]);
  fillTable(byId("instances"), [...common, ...(scored ? verdicts : [])], instances);
  byId("instances-title").textContent = `Annotated: ${instances.length}`;
  proposalTable(video, byId("proposals"), byId("proposals-title"), common, scored);
  if (video.other) proposalTable(video.other, byId("other-proposals"), byId("other-title"), common, scored);
}

function proposalTable(video, table, title, common, scored) {
  const above = video.list.filter((proposal) => proposal.score >= threshold(video.run));
  const wanted = new Set(video.classesShown());
  const shown = above.filter((proposal) => state.shown === "auto" || state.shown === "all" || wanted.has(proposal.label));
  const rows = shown.slice(0, LISTED).map((proposal) => {
    const cells = [[className(proposal.label)], [seconds(proposal.start, 2), "number"], [seconds(proposal.end, 2), "number"]];
    cells.push([proposal.score.toPrecision(3), "number"]);
    if (scored) {
      const verdict = video.verdict(proposal);
      const text = { hit: "true positive", miss: "false positive", unscored: "not scored" }[verdict];
      cells.push([proposal.overlap.toFixed(2), "number"], [text, verdict]);
    }
    return { segment: { ...proposal, kind: "proposal", proposal }, cells };
  });
  const more = scored ? [["tIoU", "number"], [`at ${tiouText()}`]] : [];
  fillTable(table, [...common, ["score", "number"], ...more], rows);
  const what = data.task === "events" ? "Segments of one class" : "Proposals";
  const best = shown.length > LISTED ? `, the best ${LISTED}` : "";
  title.textContent = `${video.named(what)}: ${shown.length} of ${video.list.length}${best}`;
}

// Per class and over all: both values, the difference, and its interval on one common scale.
function differences() {
  const { rows, note, resamples } = data.differences, [one, other] = runs.map(runName);
  const head = element("tr"), ends = rows.flatMap((row) => [row.low, row.high, row.difference]);
  const reach = Math.max(5, ...ends.filter((value) => value !== null).map(Math.abs));
  const heads = [["class"], ["metric"], [one, "number"], [other, "number"], ["difference", "number"],
    ["95 % interval", "number"], [`${other} better · ${one} better`, "interval"], [""]];
  for (const [text, kind] of heads) head.append(element("th", text, kind));
  const body = rows.map((row) => {
    const line = element("tr", undefined, row.class === "all" ? "overall" : ""), signed = (value) =>
      `${value > 0 ? "+" : ""}${value.toFixed(1)}`;
    const sure = row.low !== null && (row.low > 0 || row.high < 0);
    const range = row.low === null ? "" : `${signed(row.low)} to ${signed(row.high)}`;
    const cells = [[row.class], [row.metric], [row.a.toFixed(1), "number"], [row.b.toFixed(1), "number"],
      [signed(row.difference), sure ? "number hit" : "number"], [range, "number"]];
    for (const [text, kind] of cells) line.append(element("td", text, kind));
    line.append(intervalCell(row, reach, sure), element("td", row.note, "muted"));
    return line;
  });
  byId("differences-table").replaceChildren(head, ...body);
  const drawn = resamples ? `Intervals: ${resamples} draws of the videos. ` : "";
  byId("differences-note").textContent = `${drawn}${note}`;
  byId("differences").hidden = false;
  byId("differences").open = rows.length <= LISTED / 10;
}
function intervalCell({ low, high, difference }, reach, sure) {
  const cell = element("td", undefined, "interval"), at = (value) => 50 + (50 * value) / reach;
  cell.append(element("i", undefined, "zero"));
  if (low !== null) {
    const range = element("i", undefined, sure ? "range sure" : "range");
    range.style.left = `${at(low)}%`;
    range.style.width = `${at(high) - at(low)}%`;
    cell.append(range);
  }
  const point = element("i", undefined, "point");
  point.style.left = `${at(difference)}%`;
  cell.append(point);
  return cell;
}
