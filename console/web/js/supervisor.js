// The supervisor's page: board, calls, audit and rules behind tabs.
import { auditView } from "./audit.js";
import { boardView } from "./board.js";
import { callsView } from "./calls.js";
import { fill, h } from "./dom.js";
import { t } from "./i18n.js";
import { rulesView } from "./rules.js";

const TABS = ["board", "calls", "audit", "rules"];

export function supervisorView(me, kept = {}) {
  const view = { problem: () => {} };
  const shared = { me, problem: (error) => view.problem(error), showCall: (call) => open("calls").then(() => parts.calls.show(call)) };
  const parts = { board: boardView(shared, kept.board), calls: callsView(shared, kept.calls), audit: auditView(shared), rules: rulesView(shared, kept.rules) };
  const place = h("div", { class: "place", id: "panel", role: "tabpanel" });
  let now = "";

  const tabs = TABS.map((name) =>
    h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", onclick: () => open(name), onkeydown: arrows }, t(`tab.${name}`)),
  );

  function arrows(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  }

  async function open(name) {
    if (name !== now) {
      const leaving = now === "rules";
      now = name;
      if (leaving) view.left();
      tabs.forEach((tab) => {
        const chosen = tab.id === `tab-${name}`;
        tab.setAttribute("aria-selected", String(chosen));
        tab.tabIndex = chosen ? 0 : -1;
      });
      place.setAttribute("aria-labelledby", `tab-${name}`);
      fill(place, parts[name].element);
    }
    document.title = `${t(`tab.${name}`)} – Tierline`;
    await parts[name].opened?.();
  }

  view.tabs = h("nav", { class: "tabs", role: "tablist", "aria-label": t("tab.label") }, tabs);
  view.element = place;
  view.message = (data) => {
    parts.board.message(data);
    if (data.type === "calls" && now === "calls") parts.calls.news();
    if (data.type === "rules" && now === "rules") parts.rules.opened();
  };
  view.keep = () => ({ tab: now, board: parts.board.keep(), calls: parts.calls.keep(), rules: parts.rules.keep() });
  view.editing = () => now === "rules"; // a draft is not drawn anew under its writer's hands
  view.left = () => {};
  open(kept.tab || "board");
  return view;
}
