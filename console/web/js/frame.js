// What surrounds the views: brand, tabs, connection, language, user; the bar that says when the router is away.
import { fill, h, svg, ICONS } from "./dom.js";
import { languageNow, t } from "./i18n.js";

const LANGUAGES = [
  ["zh", "中文"],
  ["en", "English"],
];

export function languageSwitch(choose) {
  return h(
    "div",
    { class: "languages", role: "group", "aria-label": t("frame.language") },
    LANGUAGES.map(([name, shown]) =>
      h(
        "button",
        { type: "button", lang: name, id: `language-${name}`, "aria-pressed": String(name === languageNow()), onclick: () => choose(name) },
        shown,
      ),
    ),
  );
}

export function brand(centre = "") {
  return h(
    "div",
    { class: "brand" },
    h("img", { src: "/icon.svg", alt: "", width: 28, height: 28 }),
    h("span", { class: "brand-name" }, "Tierline"),
    centre && h("span", { class: "brand-centre" }, centre),
  );
}

export function frame(me, view, on) {
  const link = h("span", { class: "link", id: "live", role: "status" });
  const bar = h("div", { class: "bar", role: "alert", hidden: true });
  const toast = h("div", { class: "toast", role: "alert", hidden: true });
  const user = me.user;
  const head = h(
    "header",
    { class: "head" },
    brand(me.centre.name),
    view.tabs || h("span"),
    h(
      "div",
      { class: "head-end" },
      link,
      languageSwitch(on.language),
      h(
        "div",
        { class: "who" },
        svg(ICONS.user, 18),
        h("button", { type: "button", class: "who-name text on-dark", id: "own-password", title: t("password.title"), onclick: on.password }, user.name),
        h("span", { class: "who-more" }, user.seat ? t("frame.seat", { seat: user.seat }) : t(`role.${user.role}`)),
      ),
      h("button", { type: "button", class: "quiet on-dark", id: "logout", onclick: on.logout }, t("frame.logout")),
    ),
  );
  let hide = 0;
  const tellBar = (text) => {
    bar.hidden = !text;
    fill(bar, text && h("span", {}, text));
  };
  const made = {
    element: h("div", { class: "frame" }, head, bar, h("main", { class: "main" }, view.element), toast),
    // Without a connection what the page shows is old: it says so and is greyed.
    live(up) {
      made.element.classList.toggle("old", !up);
      link.className = up ? "link up" : "link";
      link.textContent = t(up ? "frame.live" : "frame.reconnecting");
    },
    router(up) {
      tellBar(up ? "" : t("frame.router_away"));
    },
    crowded() {
      tellBar(t("frame.crowded"));
    },
    problem(error) {
      toast.hidden = false;
      toast.textContent = error.shown ?? String(error);
      clearTimeout(hide);
      hide = setTimeout(() => (toast.hidden = true), 6000);
    },
  };
  view.problem = made.problem;
  return made;
}
