// The call list with search, and one call beside it.
import { get, query } from "./api.js";
import { callPanel } from "./detail.js";
import { ICONS, clockTime, duration, fill, h, svg } from "./dom.js";
import { languageNow, named, t, word } from "./i18n.js";

const OUTCOMES = ["answered", "abandoned", "self_served", "refused", "failed", "elsewhere", "open"];
const PAGE = 50;

export function callsView({ me, problem }, kept = {}) {
  const names = new Map(me.queues.map((queue) => [queue.id, queue]));
  const agents = new Map(me.seats.map((seat) => [seat.agent, seat]));
  const state = { search: kept.search ?? {}, next: "", shown: kept.shown ?? "", rows: [], loaded: false, fresh: true };

  const field = (id, label, input) => h("div", { class: "field" }, h("label", { for: id }, label), input);
  const option = (value, text) => h("option", { value, selected: false }, text);
  const inputs = {
    number: h("input", { id: "f-number", type: "search", inputmode: "tel", maxlength: 40, autocomplete: "off" }),
    agent: h("select", { id: "f-agent" }, option("", t("calls.any")), me.seats.map((seat) => option(seat.agent, `${seat.name} (${seat.agent})`))),
    queue: h("select", { id: "f-queue" }, option("", t("calls.any")), me.queues.map((queue) => option(queue.id, named(queue)))),
    outcome: h("select", { id: "f-outcome" }, option("", t("calls.any")), OUTCOMES.map((name) => option(name, word("result", name)))),
    from: h("input", { id: "f-from", type: "datetime-local" }),
    to: h("input", { id: "f-to", type: "datetime-local" }),
  };
  for (const [name, input] of Object.entries(inputs)) input.value = kept.raw?.[name] ?? "";

  const csv = h("a", { class: "quiet as-button", id: "csv", download: "calls.csv" }, svg(ICONS.down, 16), t("calls.csv"));
  const form = h(
    "form",
    { class: "card filters", id: "filters", onsubmit: search, onreset: () => setTimeout(search) },
    field("f-number", t("calls.number"), inputs.number),
    field("f-agent", t("calls.agent"), inputs.agent),
    field("f-queue", t("calls.queue"), inputs.queue),
    field("f-outcome", t("calls.outcome"), inputs.outcome),
    field("f-from", t("calls.from"), inputs.from),
    field("f-to", t("calls.to"), inputs.to),
    h("div", { class: "filter-actions" }, h("button", { type: "submit", class: "primary", id: "search" }, t("calls.search")), h("button", { type: "reset", class: "quiet", id: "reset" }, t("calls.reset")), csv),
  );
  const body = h("tbody");
  const heads = ["time", "caller", "area", "queue", "agent", "wait", "talk", "result", "recording"];
  const table = h(
    "table",
    { class: "calls", id: "calls" },
    h("caption", { class: "unseen" }, t("tab.calls")),
    h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col", class: `col-${name}` }, t(`calls.col_${name}`))))),
    body,
  );
  const empty = h("p", { class: "muted nobody", hidden: true }, t("calls.empty"));
  const more = h("button", { type: "button", class: "quiet wide", id: "more", hidden: true, onclick: () => load(true) }, t("calls.more"));
  const beside = h("aside", { class: "card detail", id: "detail", hidden: true, "aria-label": t("detail.title"), tabindex: -1 });
  const element = h("div", { class: "calls-page" }, h("h1", { class: "unseen" }, t("tab.calls")), form, h("div", { class: "calls-split" }, h("section", { class: "card scroll calls-card" }, table, empty, more), beside));

  function search(event) {
    event?.preventDefault?.();
    const stamp = (text) => (text ? new Date(text).getTime() : "");
    state.search = { number: inputs.number.value.trim(), agent: inputs.agent.value, queue: inputs.queue.value, outcome: inputs.outcome.value, from: stamp(inputs.from.value), to: stamp(inputs.to.value) };
    return load();
  }

  async function load(older = false) {
    csv.href = `/api/calls.csv${query({ ...state.search, language: languageNow() })}`;
    try {
      const got = await get(`/api/calls${query({ ...state.search, limit: PAGE, before: older ? state.next : "" })}`);
      state.rows = older ? [...state.rows, ...got.calls] : got.calls;
      state.next = got.next;
      state.loaded = true;
      draw();
    } catch (error) {
      problem(error);
    }
  }

  function draw() {
    fill(body, state.rows.map(drawRow));
    empty.hidden = state.rows.length > 0;
    more.hidden = !state.next;
  }

  function drawRow(call) {
    const place = [call.province, call.city !== call.province ? call.city : ""].filter(Boolean).join(" ") || call.country;
    const open = h("button", { type: "button", class: "text number", id: `call-${call.id}`, onclick: () => show(call.id) }, call.calling || t("call.withheld"));
    const result = call.result || "open";
    return h(
      "tr",
      { dataset: { call: call.id, result }, "aria-current": call.id === state.shown ? "true" : null, onclick: (event) => event.target.closest("button") || show(call.id) },
      h("td", { class: "col-time" }, clockTime(call.first_ms, true)),
      h("th", { scope: "row", class: "col-caller" }, open),
      h("td", { class: "col-area" }, place || "–"),
      h("td", { class: "col-queue" }, call.queue ? named(names.get(call.queue)) || call.queue : "–"),
      h("td", { class: "col-agent" }, call.agent ? agents.get(call.agent)?.name || call.agent : "–"),
      h("td", { class: "col-wait" }, call.entered_ms && (call.waited_ms || call.result) ? duration(call.waited_ms) : "–"),
      h("td", { class: "col-talk" }, call.talk_ms ? duration(call.talk_ms) : "–"),
      h("td", { class: "col-result" }, h("span", { class: "pill", dataset: { result } }, word("result", result)), call.callback && h("span", { class: "tag back", dataset: { back: call.callback } }, t(`calls.callback_${call.callback}`))),
      h("td", { class: "col-recording" }, call.recording === "filed" ? svg(ICONS.wave, 18) : call.recording === "failed" ? "!" : call.recording === "deleted" ? "–" : "", call.recording && h("span", { class: "unseen" }, word("recording", call.recording))),
    );
  }

  async function show(id) {
    state.shown = id;
    body.querySelectorAll("tr").forEach((row) => (row.dataset.call === id ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current")));
    try {
      const call = await get(`/api/calls/${encodeURIComponent(id)}`);
      if (state.shown !== id) return;
      fill(beside, callPanel(call, { names, agents, close }));
      beside.hidden = false;
      beside.scrollTop = 0;
      beside.focus({ preventScroll: true });
    } catch (error) {
      problem(error);
    }
  }

  function close() {
    const id = state.shown;
    state.shown = "";
    beside.hidden = true;
    beside.replaceChildren();
    body.querySelector("tr[aria-current]")?.removeAttribute("aria-current");
    document.getElementById(`call-${id}`)?.focus();
  }

  // New calls: only the first page follows by itself, so that nothing jumps under a reader's eyes.
  function news() {
    if (state.loaded && state.rows.length <= PAGE) load();
  }

  beside.addEventListener("keydown", (event) => event.key === "Escape" && close());
  return {
    element,
    show,
    news,
    opened: async () => {
      if (!state.loaded && state.shown) show(state.shown);
      await load();
    },
    keep: () => ({ search: state.search, shown: state.shown, raw: Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value])) }),
  };
}
