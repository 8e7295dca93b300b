// The agent's page: own state with one big button, reasons, and the current call.
import { get, post } from "./api.js";
import { ICONS, clockTime, duration, fill, h, now, say, svg, timer } from "./dom.js";
import { named, t, word } from "./i18n.js";

const NUMBER = /^\+?\d+$/;

export function agentView(me, kept = {}) {
  const queues = new Map(me.queues.map((queue) => [queue.id, queue]));
  const reasons = new Map(me.reasons.map((reason) => [reason.id, reason]));
  const panel = h("section", { class: "card status", "aria-labelledby": "state-now" });
  const callCard = h("section", { class: "card call", "aria-labelledby": "call-title" });
  const view = { element: h("div", { class: "desk" }, panel, callCard), agent: kept.agent ?? null, busy: false };

  const reasonName = (id) => (reasons.has(id) ? named(reasons.get(id)) : word("reason", id));

  async function act(path, body) {
    if (view.busy) return;
    view.busy = true;
    panel.setAttribute("aria-busy", "true");
    try {
      take((await post(path, body)).agent);
    } catch (error) {
      view.problem(error);
    } finally {
      view.busy = false;
      panel.removeAttribute("aria-busy");
    }
  }

  function notReady(reason) {
    localStorage.setItem("reason", reason);
    return act("/api/agent/not-ready", { reason });
  }

  // ---- the state card ----
  function button(kind, text, action, more = {}) {
    return h("button", { type: "button", id: "main-action", class: `big ${kind}`, onclick: action, disabled: !action, ...more }, text);
  }

  function mainButton(agent) {
    const last = reasons.has(localStorage.getItem("reason")) ? localStorage.getItem("reason") : me.reasons[0]?.id;
    switch (agent.state) {
      case "logged_out":
        return button("go", t("agent.start"), () => act("/api/agent/start"));
      case "not_ready":
        return button("go", t("agent.ready"), () => act("/api/agent/ready"));
      case "ready":
        return last ? button("hold", t("agent.not_ready", { reason: reasonName(last) }), () => notReady(last)) : null;
      case "after_call":
        return button("go", t("agent.end_after_call"), () => act("/api/agent/end-after-call"));
      case "offered":
        return button("ring", t("agent.answer"), null);
      default:
        return button("still", t("agent.hang_up"), null);
    }
  }

  function reasonButtons(agent) {
    if (agent.state === "logged_out" || !me.reasons.length) return null;
    const later = agent.state === "talking" || agent.state === "offered";
    const chosen = agent.state === "not_ready" ? agent.reason : agent.next.startsWith("not_ready:") ? agent.next.slice(10) : "";
    return h(
      "fieldset",
      { class: "reasons" },
      h("legend", {}, t(later ? "agent.after_this_call" : "agent.reasons")),
      me.reasons.map((reason) =>
        h(
          "button",
          { type: "button", id: `reason-${reason.id}`, class: "chip", "aria-pressed": String(reason.id === chosen), onclick: () => notReady(reason.id) },
          named(reason),
        ),
      ),
    );
  }

  function wish(agent) {
    if (!agent.next) return null;
    const text = agent.next === "logged_out" ? t("agent.next_logout") : t("agent.next_not_ready", { reason: reasonName(agent.next.slice(10)) });
    return h(
      "p",
      { class: "wish" },
      text,
      h("button", { type: "button", class: "text", id: "undo-next", onclick: () => act("/api/agent/ready") }, t("agent.undo")),
    );
  }

  function countdown(agent) {
    if (agent.state !== "after_call" || !agent.after_call_until_ms) return timer({ since: agent.since_ms, name: "timer state-timer" });
    return timer({ until: agent.after_call_until_ms, name: "timer state-timer" });
  }

  function drawState() {
    const agent = view.agent;
    panel.dataset.state = agent.state;
    const why = agent.state === "not_ready" && agent.reason ? h("span", { class: "state-why" }, reasonName(agent.reason)) : null;
    fill(
      panel,
      h(
        "div",
        { class: "state-now" },
        h("span", { class: "dot", "aria-hidden": "true" }),
        h("h1", { id: "state-now" }, t(`state.${agent.state}`)),
        why,
      ),
      agent.state === "logged_out" ? h("p", { class: "muted" }, t("agent.logged_out_hint")) : countdown(agent),
      afterCallBar(agent),
      mainButton(agent),
      wish(agent),
      reasonButtons(agent),
      h(
        "dl",
        { class: "facts small" },
        pair(t("agent.seat"), agent.seat || "–"),
        pair(
          t("agent.skills"),
          Object.keys(agent.skills).length
            ? h("span", { class: "skills" }, Object.entries(agent.skills).map(([skill, level]) => h("span", { class: "tag" }, `${skillName(skill)} ${level}`)))
            : "–",
        ),
      ),
    );
  }

  function skillName(skill) {
    return named(me.queues.find((queue) => queue.skill === skill)) || skill;
  }

  function afterCallBar(agent) {
    if (agent.state !== "after_call" || !agent.after_call_until_ms) return null;
    const bar = h("div", { class: "left", role: "presentation" }, h("div", { class: "left-fill" }));
    const whole = Math.max(1, agent.after_call_until_ms - agent.since_ms);
    const fillBar = bar.firstChild;
    fillBar.style.width = `${Math.max(0, Math.min(1, (agent.after_call_until_ms - now()) / whole)) * 100}%`;
    requestAnimationFrame(() => {
      fillBar.style.transition = `width ${Math.max(0, agent.after_call_until_ms - now())}ms linear`;
      fillBar.style.width = "0%";
    });
    return bar;
  }

  // ---- the call card ----
  function pair(name, value, more = {}) {
    return h("div", more, h("dt", {}, name), h("dd", {}, value));
  }

  function area(home) {
    const place = [home.province, home.city !== home.province ? home.city : ""].filter(Boolean).join(" ");
    return [place || home.country, home.carrier].filter(Boolean).join(" · ") || t("call.area_unknown");
  }

  function callTimer(agent) {
    const call = agent.call;
    if (agent.state === "offered") return timer({ since: agent.since_ms, name: "timer" });
    if (agent.state === "talking") return timer({ since: call.answered_ms || agent.since_ms, name: "timer" });
    return call.answered_ms ? h("span", { class: "timer" }, duration(agent.since_ms - call.answered_ms)) : h("span");
  }

  function drawCall() {
    const { agent } = view;
    const call = agent.call;
    callCard.dataset.state = call ? agent.state : "none";
    if (!call) {
      fill(callCard, h("div", { class: "no-call" }, svg(ICONS.phone, 44), h("h2", { id: "call-title" }, t("call.none")), h("p", { class: "muted" }, t(`call.none_${agent.state === "ready" ? "ready" : "away"}`))));
      return;
    }
    const waitEnd = call.answered_ms || (agent.state === "offered" ? 0 : agent.since_ms);
    const path = call.menu_path.map((item) => h("li", {}, word("menu", item)));
    fill(
      callCard,
      h(
        "header",
        { class: "call-head" },
        h("div", {}, h("p", { class: "over", id: "call-title" }, t(call.callback ? `call.title_back_${agent.state}` : `call.title_${agent.state}`)), h("p", { class: "number", id: "caller" }, call.calling || t("call.withheld")), h("p", { class: "area", id: "area" }, area(call.home))),
        h("div", { class: "call-time" }, callTimer(agent), h("span", { class: "pill" }, t(`state.${agent.state}`))),
      ),
      h(
        "dl",
        { class: "facts" },
        pair(t("call.queue"), queues.has(call.queue) ? named(queues.get(call.queue)) : call.queue, { id: "call-queue" }),
        pair(t("call.wait"), waitEnd ? duration(waitEnd - call.entered_ms) : timer({ since: call.entered_ms, name: "" }), { id: "call-wait" }),
        pair(t("call.language"), word("language", call.language) || "–", { id: "call-language" }),
        pair(t("call.called"), call.called || "–", { id: "call-called" }),
        pair(t("call.arrived"), clockTime(call.arrived_ms)),
        pair(t("call.trunk"), call.trunk || "–"),
        pair(t("call.menu"), path.length ? h("ol", { class: "path" }, path) : "–", { class: "span", id: "call-menu" }),
      ),
      h("p", { class: "call-id muted" }, t("call.id"), " ", h("code", {}, call.call)),
    );
  }

  function take(agent) {
    const before = view.agent;
    if (before && agent.version < before.version && agent.since_ms <= before.since_ms) return;
    if (before && JSON.stringify(before) === JSON.stringify(agent)) return;
    view.agent = agent;
    drawState();
    drawCall();
    const calling = agent.call?.calling || "";
    document.title = agent.state === "offered" ? `☎ ${calling} – Tierline` : `${t(`state.${agent.state}`)} – Tierline`;
    if (!before || before.state !== agent.state) {
      say(agent.state === "offered" ? t("agent.said_call", { number: NUMBER.test(calling) ? calling.split("").join(" ") : calling }) : t(`state.${agent.state}`));
    }
  }

  view.message = (data) => data.type === "agent" && take(data.agent);
  view.keep = () => ({ agent: view.agent });
  if (view.agent) {
    const { agent } = view;
    view.agent = null;
    take(agent);
  } else {
    get("/api/agent").then((data) => take(data.agent), (error) => {
      if (!view.agent) take({ agent: me.user.id, seat: me.user.seat, state: "logged_out", reason: "", next: "", since_ms: 0, after_call_until_ms: 0, skills: {}, version: 0, call: null });
      view.problem?.(error);
    });
  }
  return view;
}
