// The log-in page.
import { post } from "./api.js";
import { h } from "./dom.js";
import { brand, languageSwitch } from "./frame.js";
import { t } from "./i18n.js";

export function loginView({ notice, entered, language }) {
  const wrong = h("p", { class: "wrong", role: "alert", id: "login-wrong" }, notice ? t(notice) : "");
  const button = h("button", { type: "submit", class: "primary wide", id: "enter" }, t("login.enter"));
  const user = h("input", { id: "user", name: "user", autocomplete: "username", required: true, maxlength: 64, autocapitalize: "none", spellcheck: "false" });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: 256 });

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    wrong.textContent = "";
    try {
      await post("/api/login", { user: user.value.trim(), password: password.value });
      await entered();
    } catch (error) {
      wrong.textContent = error.shown ?? String(error);
      button.disabled = false;
      password.select();
    }
  }

  return h(
    "div",
    { class: "login" },
    h("div", { class: "login-top" }, brand(), languageSwitch(language)),
    h(
      "form",
      { class: "card login-card", onsubmit: submit },
      h("h1", {}, t("login.title")),
      h("p", { class: "muted" }, t("login.hint")),
      h("label", { for: "user" }, t("login.user")),
      user,
      h("label", { for: "password" }, t("login.password")),
      password,
      wrong,
      button,
    ),
  );
}
