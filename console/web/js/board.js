// Queue cards and the seat table. Messages replace rows; only rows that changed are drawn anew.
import { get, post } from "./api.js";
import { fill, h, now, timer } from "./dom.js";
import { named, t, word } from "./i18n.js";

const STATES = ["ready", "offered", "talking", "after_call", "not_ready", "logged_out"];
const WAIT_WARN = 20_000;
const WAIT_ALARM = 60_000;

export function boardView({ me, problem }, kept = {}) {
  const queues = new Map(me.queues.map((queue) => [queue.id, { queue: queue.id, waiting: 0, oldest_entered_ms: 0, ready: 0, talking: 0, callbacks: 0, resting: 0 }]));
  const names = new Map(me.queues.map((queue) => [queue.id, queue]));
  const reasons = new Map(me.reasons.map((reason) => [reason.id, reason]));
  const agents = new Map(me.seats.map((seat) => [seat.agent, absent(seat)]));
  const rows = new Map();
  const closed = new Map(); // queues that are not open, by their hours or by hand
  const chosen = { state: kept.state || "", text: kept.text || "" };

  const cards = h("div", { class: "queues", id: "queues" });
  const counts = h("div", { class: "counts", role: "group", "aria-label": t("board.filter") });
  const find = h("input", { type: "search", id: "find-agent", placeholder: t("board.find"), "aria-label": t("board.find"), value: chosen.text, oninput: () => choose({ text: find.value }) });
  const body = h("tbody");
  const nobody = h("p", { class: "muted nobody", hidden: true }, t("board.nobody"));
  const heads = ["agent", "seat", "state", "since", "call", "skills", "actions"];
  const table = h(
    "table",
    { class: "seats", id: "seats" },
    h("caption", { class: "unseen" }, t("board.seats")),
    h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col", class: `col-${name}` }, t(`board.col_${name}`))))),
    body,
  );
  const element = h(
    "div",
    { class: "board" },
    h("h1", { class: "unseen" }, t("tab.board")),
    h("section", { "aria-label": t("board.queues") }, cards),
    h("section", { class: "card seats-card", "aria-label": t("board.seats") }, h("div", { class: "seats-head" }, h("h2", {}, t("board.seats")), counts, find), h("div", { class: "scroll" }, table, nobody)),
  );

  function absent(seat) {
    return { agent: seat.agent, name: seat.name, seat: seat.seat, state: "logged_out", reason: "", since_ms: 0, next: "", after_call_until_ms: 0, skills: {}, version: 0, call: null };
  }

  function drawQueues() {
    fill(cards, [...queues.values()].map(queueCard));
  }

  function queueCard(row) {
    const name = named(names.get(row.queue)) || row.queue;
    const back = row.callbacks + row.resting;
    const shut = closed.get(row.queue);
    const figure = (label, value, kind) => h("div", { class: `figure ${kind}` }, h("dt", {}, label), h("dd", {}, value));
    return h(
      "article",
      { class: `card queue${row.waiting ? " busy" : ""}${shut ? " shut" : ""}`, dataset: { queue: row.queue }, "aria-label": name },
      h("h2", {}, name, shut && h("span", { class: "pill", dataset: { state: "not_ready" }, title: shut.closed }, t(`rules.state_${shut.state}`))),
      h(
        "dl",
        {},
        figure(t("board.waiting"), String(row.waiting - row.callbacks), "waiting"),
        figure(t("board.oldest"), row.oldest_entered_ms ? timer({ since: row.oldest_entered_ms, warn: WAIT_WARN, alarm: WAIT_ALARM }) : "–", "oldest"),
        figure(t("board.ready"), String(row.ready), "ready"),
        figure(t("board.talking"), String(row.talking), "talking"),
      ),
      back > 0 && h("p", { class: "back" }, t("board.to_call_back", { count: back })),
    );
  }

  function drawCounts() {
    const tally = Object.fromEntries(STATES.map((state) => [state, 0]));
    for (const agent of agents.values()) tally[agent.state] = (tally[agent.state] || 0) + 1;
    const chip = (state, label, count) =>
      h("button", { type: "button", id: `filter-${state || "all"}`, class: "chip count", dataset: { state }, "aria-pressed": String(chosen.state === state), onclick: () => choose({ state }) }, h("span", { class: "dot", "aria-hidden": "true" }), label, h("b", {}, String(count)));
    fill(counts, chip("", t("board.all"), agents.size), STATES.map((state) => chip(state, t(`state.${state}`), tally[state])));
  }

  function choose(change) {
    Object.assign(chosen, change);
    drawCounts();
    sift();
  }

  function sift() {
    const text = chosen.text.trim().toLowerCase();
    let seen = 0;
    for (const [id, row] of rows) {
      const agent = agents.get(id);
      const found = !text || `${agent.agent} ${agent.name} ${agent.seat}`.toLowerCase().includes(text);
      row.hidden = !(found && (!chosen.state || agent.state === chosen.state));
      seen += row.hidden ? 0 : 1;
    }
    nobody.hidden = seen > 0;
  }

  function drawRow(agent) {
    let row = rows.get(agent.agent);
    if (!row) {
      row = h("tr", { dataset: { agent: agent.agent } });
      rows.set(agent.agent, row);
      const after = [...rows.keys()].sort().find((id) => id > agent.agent && rows.get(id).isConnected);
      body.insertBefore(row, after ? rows.get(after) : null);
    }
    row.dataset.state = agent.state;
    fill(row, cells(agent));
  }

  function cells(agent) {
    const why = agent.state === "not_ready" && agent.reason ? (reasons.has(agent.reason) ? named(reasons.get(agent.reason)) : word("reason", agent.reason)) : "";
    const time = agent.state === "after_call" && agent.after_call_until_ms ? timer({ until: agent.after_call_until_ms }) : agent.since_ms && agent.state !== "logged_out" ? timer({ since: agent.since_ms }) : "–";
    const skills = Object.entries(agent.skills).map(([skill, level]) => h("span", { class: "tag" }, `${named(me.queues.find((queue) => queue.skill === skill)) || skill} ${level}`));
    return [
      h("th", { scope: "row", class: "col-agent" }, h("span", { class: "agent-name" }, agent.name), h("span", { class: "muted" }, agent.agent)),
      h("td", { class: "col-seat" }, agent.seat || "–"),
      h("td", { class: "col-state" }, h("span", { class: "pill", dataset: { state: agent.state } }, t(`state.${agent.state}`)), why && h("span", { class: "why" }, why), agent.next && h("span", { class: "why" }, nextText(agent.next))),
      h("td", { class: "col-since" }, time),
      h("td", { class: "col-call" }, agent.call ? [h("span", { class: "number" }, agent.call.calling || t("call.withheld")), h("span", { class: "muted" }, named(names.get(agent.call.queue)) || agent.call.queue)] : "–"),
      h("td", { class: "col-skills" }, skills.length ? h("div", { class: "skills" }, skills) : "–"),
      h("td", { class: "col-actions" }, agent.state === "logged_out" ? "" : actions(agent)),
    ];
  }

  function nextText(next) {
    if (next === "logged_out") return t("board.next_logout");
    const reason = next.slice(10);
    return t("board.next", { reason: reasons.has(reason) ? named(reasons.get(reason)) : word("reason", reason) });
  }

  function actions(agent) {
    const name = agent.name;
    // Choosing a reason does nothing yet: the arrow keys choose. The button asks, and then it is done.
    const go = h("button", { type: "button", id: `away-go-${agent.agent}`, class: "quiet", disabled: true, "aria-label": t("board.force_not_ready", { name }), onclick: force }, t("board.set"));
    const pick = h(
      "select",
      { id: `away-${agent.agent}`, "aria-label": t("board.reason_for", { name }), onchange: () => (go.disabled = !pick.value) },
      h("option", { value: "" }, t("board.not_ready")),
      me.reasons.map((reason) => h("option", { value: reason.id }, named(reason))),
    );
    async function force() {
      const reason = named(reasons.get(pick.value));
      if (confirm(t("board.confirm_not_ready", { name, reason }))) await act(agent, "not-ready", { reason: pick.value });
    }
    const out = h("button", { type: "button", id: `out-${agent.agent}`, class: "quiet", "aria-label": t("board.force_logout", { name }), onclick: () => confirm(t("board.confirm_logout", { name })) && act(agent, "logout") }, t("board.logout"));
    return h("div", { class: "row-actions" }, me.reasons.length ? [pick, go] : null, out);
  }

  async function act(agent, verb, data) {
    try {
      takeAgent((await post(`/api/agents/${encodeURIComponent(agent.agent)}/${verb}`, data)).agent);
      drawCounts();
      sift();
    } catch (error) {
      problem(error);
    }
  }

  function takeAgent(agent) {
    agents.set(agent.agent, agent);
    drawRow(agent);
  }

  // Opening hours pass without a word: looked at again when the next one passes, and when the rules change.
  let again = 0;
  async function openings() {
    clearTimeout(again);
    try {
      const found = (await get("/api/openings")).openings.filter((one) => one.kind === "queue");
      closed.clear();
      found.filter((one) => one.state !== "open").forEach((one) => closed.set(one.id, one));
      drawQueues();
      const next = Math.min(...found.map((one) => one.until_ms || Infinity)) - now();
      again = setTimeout(openings, Math.min(Math.max(next, 1000), 600_000));
    } catch {
      again = setTimeout(openings, 10_000);
    }
  }

  function message(data) {
    if (data.type === "rules") openings();
    if (data.type !== "board") return;
    for (const row of data.queues) queues.set(row.queue, row);
    if (data.queues.length) drawQueues();
    data.agents.forEach(takeAgent);
    if (data.agents.length) {
      drawCounts();
      sift();
    }
  }

  for (const row of kept.queues ?? []) queues.set(row.queue, row);
  for (const agent of kept.agents ?? []) agents.set(agent.agent, agent);
  drawQueues();
  [...agents.values()].forEach(drawRow);
  drawCounts();
  sift();
  openings();
  return { element, message, keep: () => ({ ...chosen, queues: [...queues.values()], agents: [...agents.values()] }) };
}
