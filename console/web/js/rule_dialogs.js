// What is asked and shown around a change of the rules: differences, warnings, why, passwords, the reason of a closing.
import { h } from "./dom.js";
import { t } from "./i18n.js";

const short = (value) => {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return `[${value.map(short).join(", ")}]`;
  if (typeof value === "object") return Object.entries(value).filter(([, item]) => item && !(Array.isArray(item) && !item.length)).map(([name, item]) => `${name} ${short(item)}`).join(", ");
  return value === "" ? '""' : String(value);
};

export function changeList(changes) {
  if (!changes.length) return h("p", { class: "muted" }, t("rules.no_changes"));
  const line = (one) => {
    const where = h("b", {}, `${t(`rules.${one.table}`)} ${one.row}`.trim());
    if (one.field) return h("li", { class: "change" }, where, ` ${t(`rules.col_${one.field}`)}: `, h("del", {}, short(one.old)), " → ", h("ins", {}, short(one.new)));
    return h("li", { class: "change" }, one.new === null ? h("del", {}, "− ") : h("ins", {}, "+ "), where, ` ${short(one.new ?? one.old)}`);
  };
  return h("ul", { class: "changes" }, changes.map(line));
}

// As a spreadsheet takes it. It is made here: the server has only hashes of them.
function download(made, heads) {
  const quoted = (text) => `"${(/^[=+\-@\t\r＝＋－＠]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  const line = (cells) => `${cells.map(quoted).join(",")}\r\n`;
  const rows = made.map((one) => line(["name", ...heads].map((name) => one[name] || "")));
  const text = `\ufeff${line([t("rules.col_name"), ...heads.map((name) => t(`rules.head_${name}`))])}${rows.join("")}`;
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "passwords.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function passwordList(made) {
  if (!made.length) return null;
  const heads = ["user", "password", "seat", "seat_password"];
  return h(
    "div",
    { class: "passwords" },
    h("p", { class: "wrong" }, t("rules.passwords")),
    h("p", { class: "row-actions" }, h("button", { type: "button", class: "quiet", id: "passwords-csv", onclick: () => download(made, heads) }, t("rules.passwords_csv")), h("button", { type: "button", class: "quiet", id: "passwords-print", onclick: () => print() }, t("rules.passwords_print"))),
    h("table", { id: "rules-passwords" }, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, t(`rules.head_${name}`))))), h("tbody", {}, made.map((one) => h("tr", {}, heads.map((name) => h("td", {}, name === "user" ? `${one.user} ${one.name}` : h("code", {}, one[name] || "–"))))))),
  );
}

// The value of the one field, or null when it was left.
function ask(title, content, label, button) {
  return new Promise((answer) => {
    const field = h("input", { type: "text", id: "ask-text", maxlength: 200, required: true });
    const form = h("form", { method: "dialog" }, h("h2", {}, title), content, h("div", { class: "field" }, h("label", { for: "ask-text" }, label), field), h("div", { class: "dialog-actions" }, h("button", { type: "button", class: "quiet", id: "ask-cancel", onclick: () => dialog.close() }, t("rules.cancel")), h("button", { type: "submit", class: "primary", id: "ask-ok", value: "ok" }, button)));
    const dialog = h("dialog", { class: "card dialog", onclose: () => { dialog.remove(); answer(dialog.returnValue === "ok" ? field.value.trim() || null : null); } }, form);
    document.body.append(dialog);
    dialog.showModal();
    field.focus();
  });
}

export function confirmChange({ version, changes, warnings }) {
  const told = warnings.map((one) => h("li", { class: "warning" }, word_(one)));
  return ask(t("rules.confirm", { version: version + 1 }), h("div", { class: "dialog-body" }, changeList(changes), told.length ? h("ul", { id: "rules-warnings" }, told) : null), t("rules.why"), t("rules.apply_now"));
}

function word_(warning) {
  return t(`rules.warning_${warning.code}`, { row: warning.row });
}

export const askReason = (name) => ask(t("rules.closing", { name }), h("p", { class: "muted" }, t("rules.closing_hint")), t("rules.closing_reason"), t("rules.close_now"));
