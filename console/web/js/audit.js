// Differences between edge, router, media and recordings of the last day.
import { get, query } from "./api.js";
import { ICONS, clockTime, fill, h, now, svg } from "./dom.js";
import { t, word } from "./i18n.js";

const SPANS = [1, 24, 24 * 7];

export function auditView({ problem, showCall }) {
  const result = h("div", { class: "audit-result", "aria-live": "polite" });
  const span = h("select", { id: "audit-span", onchange: load }, SPANS.map((hours) => h("option", { value: hours, selected: hours === 24 }, t(`audit.span_${hours}`))));
  const element = h(
    "div",
    { class: "audit" },
    h("section", { class: "card" }, h("div", { class: "audit-head" }, h("div", {}, h("h1", {}, t("audit.title")), h("p", { class: "muted" }, t("audit.hint"))), h("div", { class: "field" }, h("label", { for: "audit-span" }, t("audit.span")), span), h("button", { type: "button", class: "primary", id: "audit-again", onclick: load }, t("audit.again"))), result),
  );

  async function load() {
    try {
      const to = Math.floor(now()) + 1;
      draw(await get(`/api/audit${query({ from: to - Number(span.value) * 3_600_000, to })}`));
    } catch (error) {
      problem(error);
    }
  }

  function draw(report) {
    const figure = (name, value, kind = "") => h("div", { class: `figure ${kind}` }, h("dt", {}, t(`audit.${name}`)), h("dd", { id: `audit-${name}` }, String(value)));
    const clean = report.unexplained === 0;
    fill(
      result,
      h("dl", { class: "audit-figures" }, figure("calls", report.calls), figure("open", report.open), figure("unexplained", report.unexplained, clean ? "good" : "bad"), figure("bad_facts", report.bad_facts, report.bad_facts ? "bad" : "")),
      clean
        ? h("p", { class: "all-clear" }, svg(ICONS.check, 20), t("audit.clear"))
        : h(
            "table",
            { id: "findings" },
            h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("calls.col_time")), h("th", { scope: "col" }, t("audit.difference")), h("th", { scope: "col" }, t("call.id")))),
            h("tbody", {}, report.findings.map((found) => h("tr", {}, h("td", {}, clockTime(found.at_ms, true)), h("td", {}, found.codes.map((code) => word("difference", code)).join(" · ")), h("td", {}, h("button", { type: "button", class: "text", onclick: () => showCall(found.call) }, h("code", {}, found.call)))))),
          ),
    );
  }

  return { element, opened: load };
}
