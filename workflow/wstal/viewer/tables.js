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
  const result = video.result();
  if (result) {
    const at = video.seconds ? "" : ` at tIoU ${tiouText()}${state.step ? `, score ≥ ${threshold().toPrecision(3)}` : ""}`;
    fact("result", `${result.right} of ${result.all} ${result.unit}${at}`);
  } else fact("result", data.protocol.tious.length ? "nothing to score" : "");
  box.replaceChildren(element("h2", video.id), list);
  if (video.videoScore) box.append(likeliest(video));
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
  const instances = video.instances.map((instance) => {
    const found = video.found(instance);
    const cells = [[className(instance.label)], [seconds(instance.start, 2), "number"], [seconds(instance.end, 2), "number"]];
    if (scored) {
      cells.push([instance.takers ? instance.overlap.toFixed(2) : "", "number"]);
      cells.push(found === undefined ? ["not scored"] : found ? ["found", "hit"] : ["missed", "miss"]);
    }
    return { segment: { ...instance, kind: "annotated", instance }, cells };
  });
  const common = [[""], ["class"], ["start", "number"], ["end", "number"]];
  fillTable(byId("instances"), [...common, ...(scored ? [["best tIoU", "number"], [`at ${tiouText()}`]] : [])], instances);
  byId("instances-title").textContent = `Annotated: ${instances.length}`;

  const above = video.list.filter((proposal) => proposal.score >= threshold());
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
  fillTable(byId("proposals"), [...common, ["score", "number"], ...more], rows);
  const what = data.task === "events" ? "Segments of one class" : "Proposals";
  const best = shown.length > LISTED ? `, the best ${LISTED}` : "";
  byId("proposals-title").textContent = `${what}: ${shown.length} of ${video.list.length}${best}`;
}
