// The own password: a page of its own for who has a first one, a dialog for everybody else.
import { post } from "./api.js";
import { h, say } from "./dom.js";
import { brand, languageSwitch } from "./frame.js";
import { t } from "./i18n.js";

const SHORTEST = 10;

function fields(user, done) {
  const field = (id, autocomplete, least) => h("input", { id, name: id, type: "password", autocomplete, required: true, minlength: least, maxlength: 256 });
  const old = field("old-password", "current-password", 1);
  const fresh = field("new-password", "new-password", SHORTEST);
  const again = field("again-password", "new-password", SHORTEST);
  const wrong = h("p", { class: "wrong", role: "alert", id: "password-wrong" });

  async function submit(event) {
    event.preventDefault();
    wrong.textContent = fresh.value === again.value ? "" : t("password.differ");
    if (wrong.textContent) return again.focus();
    try {
      await post("/api/password", { old: old.value, password: fresh.value });
      await done();
    } catch (error) {
      wrong.textContent = error.shown ?? String(error);
      (error.field === "old" ? old : fresh).select();
    }
    return undefined;
  }

  const parts = [
    h("input", { type: "text", name: "username", value: user.id, autocomplete: "username", hidden: true }),
    h("label", { for: "old-password" }, t("password.old")),
    old,
    h("label", { for: "new-password" }, t("password.new")),
    fresh,
    h("p", { class: "muted" }, t("password.rule", { least: SHORTEST })),
    h("label", { for: "again-password" }, t("password.again")),
    again,
    wrong,
  ];
  return { parts, submit };
}

export function passwordView({ user, changed, logout, language }) {
  const { parts, submit } = fields(user, changed);
  return h(
    "div",
    { class: "login" },
    h("div", { class: "login-top" }, brand(), languageSwitch(language)),
    h(
      "form",
      { class: "card login-card", id: "must-change", onsubmit: submit },
      h("h1", {}, t("password.title")),
      h("p", { class: "muted" }, t("password.must", { name: user.name })),
      parts,
      h("button", { type: "submit", class: "primary wide", id: "change" }, t("password.change")),
      h("button", { type: "button", class: "text", onclick: logout }, t("frame.logout")),
    ),
  );
}

export function passwordDialog(user) {
  const { parts, submit } = fields(user, () => {
    dialog.close();
    say(t("password.done"));
  });
  const buttons = h(
    "div",
    { class: "dialog-actions" },
    h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, t("rules.cancel")),
    h("button", { type: "submit", class: "primary", id: "change" }, t("password.change")),
  );
  const form = h("form", { class: "password-form", onsubmit: submit }, h("h2", {}, t("password.title")), h("p", { class: "muted" }, t("password.others")), parts, buttons);
  const dialog = h("dialog", { class: "card dialog", id: "password-dialog", onclose: () => dialog.remove() }, form);
  document.body.append(dialog);
  dialog.showModal();
}
