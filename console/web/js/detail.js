// One call: what happened, stretch by stretch, its recordings, and the facts behind it.
import { ICONS, clockTime, duration, h, svg } from "./dom.js";
import { named, t, word } from "./i18n.js";

export function callPanel(call, { names, agents, close }) {
  const queueName = (id) => named(names.get(id)) || id;
  const agentName = (id) => agents.get(id)?.name || id;
  const pair = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const result = call.result || "open";
  const area = [call.province, call.city !== call.province ? call.city : "", call.carrier].filter(Boolean).join(" · ") || call.country || t("call.area_unknown");

  function ended() {
    if (!call.result) return t("detail.still_open");
    const why = [call.reason === "hangup" && call.side ? "" : word("reason", call.reason), call.side && t("detail.by", { side: word("side", call.side) })].filter(Boolean);
    return why.join(" · ") || "–";
  }

  function segment(part) {
    const queue = part.kind === "queue";
    const title = queue ? queueName(part.queue) : agentName(part.agent);
    const times = queue
      ? t("detail.waited", { time: duration(part.waited_ms) })
      : part.answered_ms
        ? t("detail.talked", { ring: duration(part.answered_ms - part.start_ms), talk: duration(part.talk_ms || Math.max(0, part.end_ms - part.answered_ms)) })
        : t("detail.rang", { ring: duration(Math.max(0, part.end_ms - part.start_ms)) });
    return h(
      "li",
      { class: `part of-${part.kind}`, dataset: { outcome: part.outcome || "open" } },
      h("span", { class: "part-time" }, clockTime(part.start_ms)),
      h("div", {}, h("b", {}, title), part.seat && h("span", { class: "muted" }, ` ${t("frame.seat", { seat: part.seat })}`), h("div", { class: "muted" }, times, " · ", part.outcome ? word(part.outcome === "answered" ? "result" : "reason", part.outcome) : t("detail.still_open"), part.side && ` · ${t("detail.by", { side: word("side", part.side) })}`)),
    );
  }

  function step(part) {
    const text = part.what === "chosen" ? word("menu", part.item) : t(`detail.input_${part.what}`, { tries: part.tries });
    return h("li", { class: `part of-menu ${part.what}` }, h("span", { class: "part-time" }, clockTime(part.at_ms)), h("div", {}, part.what === "chosen" ? h("b", {}, text) : text, h("div", { class: "muted" }, t("detail.in_menu", { menu: word("menu", part.menu) }))));
  }

  function recordings() {
    let count = 0;
    return call.recordings.map((part) => {
      if (part.reason === "deleted") return h("p", { class: "muted" }, t("detail.recording_deleted", { time: duration(part.duration_ms) }));
      if (!part.path) return h("p", { class: "wrong" }, t("detail.recording_failed", { why: [word("reason", part.reason), part.detail].filter(Boolean).join(": ") }));
      count += 1;
      const source = `/api/calls/${encodeURIComponent(call.id)}/recordings/${count}`;
      return h(
        "figure",
        { class: "recording" },
        h("figcaption", {}, svg(ICONS.wave, 18), t("detail.recording", { time: duration(part.duration_ms) }), h("a", { href: source, download: `${call.id}-${count}.wav` }, t("detail.download"))),
        h("audio", { controls: true, preload: "metadata", src: source, "aria-label": t("detail.recording", { time: duration(part.duration_ms) }) }),
        h("p", { class: "muted channels" }, t("detail.channels")),
      );
    });
  }

  // The sort is stable: at the same moment the key press stays before the queue it led to, and the queue before the agent.
  const parts = [...call.menu, ...call.segments].sort((a, b) => (a.start_ms || a.at_ms) - (b.start_ms || b.at_ms));
  return [
    h("header", { class: "detail-head" }, h("div", {}, h("h2", { class: "number", id: "detail-caller" }, call.calling || t("call.withheld")), h("p", { class: "area" }, area)), h("span", { class: "pill", dataset: { result } }, word("result", result)), h("button", { type: "button", class: "quiet icon-only", id: "close-detail", "aria-label": t("detail.close"), onclick: close }, svg(ICONS.close, 18))),
    h(
      "dl",
      { class: "facts" },
      pair(t("call.arrived"), clockTime(call.first_ms, true)),
      pair(t("call.called"), call.called || "–"),
      pair(t("detail.ended"), ended()),
      call.callback && pair(t("detail.callback"), t(`calls.callback_${call.callback}`)),
      pair(t("call.language"), word("language", call.language) || "–"),
      pair(t("call.trunk"), call.trunk || "–"),
      pair(t("detail.node"), [call.node, call.routed_by && word("routed", call.routed_by)].filter(Boolean).join(" · ") || "–"),
    ),
    ...recordings(),
    parts.length > 0 && h("h3", {}, t("detail.course")),
    parts.length > 0 && h("ol", { class: "parts" }, parts.map((part) => (part.kind ? segment(part) : step(part)))),
    h("details", { class: "all-facts" }, h("summary", {}, t("detail.facts", { count: call.facts.length })), h("ol", { id: "facts" }, call.facts.map((fact) => h("li", {}, h("div", {}, h("time", {}, clockTime(fact.at_ms)), h("code", {}, fact.kind), h("span", { class: "muted" }, fact.source)), h("pre", {}, JSON.stringify(fact.body)))))),
    h("p", { class: "call-id muted" }, t("call.id"), " ", h("code", {}, call.id)),
  ];
}
