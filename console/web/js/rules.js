// The rules: tables to edit as a draft, checked and applied as the next version; closing at once; files; history.
import { get, post } from "./api.js";
import { ICONS, clockTime, fill, h, say, svg } from "./dom.js";
import { t, word } from "./i18n.js";
import { TABLES } from "./rule_tables.js";
import { changeList, confirmChange, passwordList, askReason } from "./rule_dialogs.js";
import { Unreadable } from "./rule_text.js";

const PLACES = [...Object.keys(TABLES), "shares", "history"];
// Text of a file as editors and spreadsheets save it: UTF-8 with or without a mark, else GB18030.
function decoded(bytes) {
  const head = new Uint8Array(bytes.slice(0, 2)).join();
  if (head === "255,254" || head === "254,255") throw new Unreadable("UTF-16");
  for (const name of ["utf-8", "gb18030"]) {
    try {
      return new TextDecoder(name, { fatal: true }).decode(bytes);
    } catch {
      // the next one
    }
  }
  throw new Unreadable("?");
}

const copy = (value) => JSON.parse(JSON.stringify(value));

export function rulesView({ problem }, kept = {}) {
  const state = { now: null, draft: kept.draft ?? null, base: kept.base ?? 0, place: kept.place ?? "queue", versions: null, told: kept.told ?? null, wrong: new Map() };
  const head = h("div", { class: "rules-head" });
  const places = h("nav", { class: "rules-places", "aria-label": t("rules.places") });
  const told = h("div", { class: "rules-told", "aria-live": "polite" });
  const body = h("div", { class: "rules-body" });
  const element = h("div", { class: "rules" }, h("section", { class: "card" }, head), told, h("section", { class: "card rules-card" }, places, body));

  const changed = () => state.draft !== null && JSON.stringify(state.draft) !== JSON.stringify(state.now?.book);

  async function load() {
    try {
      const was = state.base;
      state.now = await get("/api/rules");
      if (!state.draft || state.saved || (was !== state.now.version && !state.touched)) adopt();
      draw();
    } catch (error) {
      problem(error);
    }
  }

  function adopt() {
    Object.assign(state, { draft: copy(state.now.book), base: state.now.version, touched: false, saved: false });
    state.wrong.clear();
  }

  // ---- head
  function draw() {
    if (!state.now) return;
    drawHead();
    fill(places, PLACES.map((name) => h("button", { type: "button", id: `rules-${name}`, class: "place-button", "aria-pressed": String(name === state.place), onclick: () => go(name) }, t(`rules.${name}`), TABLES[name] && h("span", { class: "muted" }, ` ${state.draft[name].length}`))));
    fill(told, state.told);
    drawBody();
  }

  function drawHead() {
    const { now } = state;
    const made = now.book.who ? t("rules.made", { time: clockTime(now.book.at_ms, true), who: now.book.who, why: now.book.why }) : t("rules.from_file", { file: now.book.why });
    const newer = state.base !== now.version;
    fill(
      head,
      h("div", { class: "rules-version" }, h("h1", { id: "rules-version" }, t("rules.version", { version: now.version })), h("span", { class: "pill", id: "rules-force", dataset: { state: now.in_force ? "ready" : "not_ready" }, title: now.why_not }, t(now.in_force ? "rules.in_force" : "rules.waiting")), h("span", { class: "muted" }, made)),
      newer && h("p", { class: "wrong" }, t("rules.newer", { version: now.version, base: state.base })),
      h(
        "div",
        { class: "rules-actions" },
        h("button", { type: "button", class: "primary", id: "rules-apply", disabled: (!changed() && !state.wrong.size) || newer, onclick: (event) => apply(event) }, t("rules.apply")),
        h("button", { type: "button", class: "quiet", id: "rules-discard", disabled: !changed() && !newer && !state.wrong.size, onclick: () => { adopt(); note(null); } }, t("rules.discard")),
        h("a", { class: "quiet", id: "rules-toml", href: "/api/rules.toml", download: "" }, svg(ICONS.down, 18), "TOML"),
        h("a", { class: "quiet", href: "/api/rules.json", download: "" }, svg(ICONS.down, 18), "JSON"),
        h("label", { class: "quiet file", for: "rules-file" }, t("rules.import")),
        h("input", { type: "file", id: "rules-file", class: "unseen", accept: ".toml,.json,.csv", onchange: (event) => importFile(event.target) }),
      ),
    );
  }

  function go(name) {
    state.place = name;
    draw();
    if (name === "history") loadHistory();
  }

  function note(element) {
    state.told = element;
    draw();
    if (element) say(element.textContent);
  }

  // ---- tables
  function drawBody() {
    if (state.place === "history") return drawHistory();
    if (state.place === "shares") return drawShares();
    const table = TABLES[state.place];
    const rows = state.draft[state.place];
    fill(
      body,
      table.cards ? cards(table, rows) : grid(table, rows),
      h("p", { class: "muted rules-hint" }, word("rules.hint", state.place) === state.place ? "" : t(`rules.hint.${state.place}`)),
      h("button", { type: "button", class: "quiet", id: "rules-add", onclick: () => { rows.push(copy(table.empty)); touched(true); } }, t("rules.add")),
    );
  }

  function grid(table, rows) {
    const heads = [...table.columns.map(({ key }) => key), ...(table.closing ? ["state"] : [])].map((key) => h("th", { scope: "col" }, t(`rules.col_${key}`)));
    const line = (row, index) => h("tr", { dataset: { row: row.id ?? row.number } }, table.columns.map((column) => h("td", {}, cell(column, row, index))), table.closing && h("td", {}, opening(row)), h("td", { class: "col-actions" }, rowActions(table, row, index)));
    return h("div", { class: "rules-scroll" },
      h("table", { class: "rules-table", id: `table-${state.place}` },
        h("thead", {}, h("tr", {}, heads, h("th", { scope: "col", class: "col-actions" }, h("span", { class: "unseen" }, t("board.col_actions"))))),
        h("tbody", {}, rows.map(line))));
  }

  // More columns than a screen is wide: a card a row, every field with its name.
  function cards(table, rows) {
    const field = (column, row, index) => h("div", { class: "field", dataset: { wide: String(column.kind === "lines") } }, h("label", { for: `${state.place}-${index}-${column.key}` }, t(`rules.col_${column.key}`)), cell(column, row, index));
    const card = (row, index) =>
      h("article", { class: "rules-row", dataset: { row: row.id } },
        h("header", {}, h("strong", {}, row.id || "–"), table.closing && h("span", {}, opening(row)), rowActions(table, row, index)),
        h("div", { class: "rules-fields" }, table.columns.map((column) => field(column, row, index))));
    return h("div", { class: "rules-cards", id: `table-${state.place}` }, rows.map(card));
  }

  // Open, shut by its hours, or closed by hand; and until when.
  function opening(row) {
    const found = state.now.openings.find((one) => one.kind === state.place && one.id === row.id);
    if (!found) return "–";
    const until = found.until_ms && found.state !== "emergency" ? t("rules.until", { time: clockTime(found.until_ms, true) }) : found.closed;
    return [h("span", { class: "pill", dataset: { state: found.state === "open" ? "ready" : "not_ready" } }, t(`rules.state_${found.state}`)), h("span", { class: "muted" }, ` ${until}`)];
  }

  function cell(column, row, index) {
    const { key, kind = "text", size = 10 } = column;
    const id = `${state.place}-${index}-${key}`;
    const label = `${t(`rules.col_${key}`)} ${row.id ?? row.number ?? ""}`;
    if (kind === "choice") {
      const choices = column.choices(state.draft);
      return h("select", { id, "aria-label": label, onchange: (event) => set(row, key, event.target.value) }, choices.map((value) => h("option", { value, selected: value === row[key] }, value ? word("policy", value) : "–")));
    }
    if (kind === "number") return h("input", { id, type: "number", min: 0, value: row[key], "aria-label": label, onchange: (event) => set(row, key, Number(event.target.value)) });
    const value = state.wrong.get(id) ?? (column.form ? column.form.show(row[key]) : row[key]);
    return h("input", { id, type: "text", value, "aria-label": label, "aria-invalid": state.wrong.has(id) ? "true" : null, size, onchange: (event) => read(column, row, id, event.target) });
  }

  function read(column, row, id, field) {
    if (!column.form) return set(row, column.key, field.value.trim());
    try {
      const value = column.form.read(field.value);
      state.wrong.delete(id);
      field.removeAttribute("aria-invalid");
      fill(told, (state.told = null));
      return set(row, column.key, value);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      state.wrong.set(id, field.value);
      field.setAttribute("aria-invalid", "true");
      drawHead();
      return note(h("p", { class: "wrong" }, t(`rules.${error.why}`, { part: error.message })));
    }
  }

  function set(row, key, value) {
    row[key] = value;
    touched(false);
  }

  function touched(whole) {
    state.touched = true;
    whole ? draw() : drawHead();
  }

  function rowActions(table, row, index) {
    const there = state.now.book[state.place].some((one) => (one.id ?? one.number) === (row.id ?? row.number));
    const name = row.id ?? row.number;
    const closed = table.closing && there && state.now.book[state.place].find((one) => one.id === row.id).closed;
    return h("div", { class: "row-actions" },
      table.closing && there && (closed
        ? h("button", { type: "button", class: "quiet", id: `open-${state.place}-${name}`, onclick: () => close(row.id, "") }, t("rules.open_again", { closed }))
        : h("button", { type: "button", class: "quiet danger", id: `close-${state.place}-${name}`, onclick: async () => close(row.id, await askReason(row.id)) }, t("rules.close"))),
      table.passwords && there && h("button", { type: "button", class: "quiet", id: `passwords-${name}`, onclick: () => passwords(row.id) }, t("rules.new_passwords")),
      h("button", { type: "button", class: "quiet icon-only", id: `remove-${state.place}-${index}`, "aria-label": t("rules.remove", { name }), onclick: () => { state.draft[state.place].splice(index, 1); state.wrong.clear(); touched(true); } }, svg(ICONS.close, 16)));
  }

  function drawShares() {
    const shares = state.draft.shares;
    const field = (key) => h("div", { class: "field" }, h("label", { for: `shares-${key}` }, t(`rules.col_${key}`)), h("input", { id: `shares-${key}`, type: "number", min: 0, value: shares[key], onchange: (event) => set(shares, key, Number(event.target.value)) }));
    fill(body, h("div", { class: "rules-shares" }, field("share"), field("penalty_ms"), h("label", { class: "check" }, h("input", { type: "checkbox", id: "shares-paused", checked: shares.paused, onchange: (event) => set(shares, "paused", event.target.checked) }), t("rules.col_paused"))));
  }

  // ---- changes
  async function apply(event, body_ = null) {
    if (!body_ && state.wrong.size) return unread();
    const rules = body_ ?? { book: state.draft };
    try {
      const found = await post("/api/rules/check", rules);
      const why = await confirmChange(found);
      if (why === null) return;
      done(await post("/api/rules", { base: found.version, why, ...rules }));
    } catch (error) {
      failed(error);
    }
  }

  // A field that cannot be read stops the change: say so, and go there.
  async function unread() {
    const [id, text] = state.wrong.entries().next().value;
    await go(id.split("-")[0]);
    note(h("p", { class: "wrong", id: "rules-unread" }, t("rules.unread", { text })));
    document.getElementById(id)?.focus();
  }

  function done(made) {
    state.saved = true; // the draft is what is in force now: the next answer takes its place
    state.told = h("div", {}, h("p", {}, t(made.in_force ? "rules.done" : "rules.kept", { version: made.version })), passwordList(made.passwords));
    say(state.told.textContent);
    return load();
  }

  function failed(error) {
    if (error.code === "bad_rules") {
      const lines = (error.data.mistakes ?? []).map((one) => h("li", {}, one.field && h("code", {}, one.field), ` ${one.text}`));
      return note(h("div", { class: "wrong" }, h("p", {}, t("rules.mistakes")), h("ul", { id: "rules-mistakes" }, lines)));
    }
    if (error.code === "stale") {
      note(h("div", { class: "wrong" }, h("p", {}, t("rules.stale")), changeList(error.data.changes ?? [])));
      return load();
    }
    return problem(error);
  }

  async function close(id, closed) {
    if (closed === null) return;
    try {
      const made = await post("/api/rules/closing", { kind: state.place, id, ...(closed ? { closed } : {}) });
      if (state.touched) {
        state.draft[state.place].filter((row) => row.id === id).forEach((row) => (row.closed = closed));
        state.base = made.version;
        await load();
      } else await done(made);
    } catch (error) {
      failed(error);
    }
  }

  async function passwords(id) {
    if (!confirm(t("rules.confirm_passwords", { name: id }))) return;
    try {
      note(passwordList((await post(`/api/people/${encodeURIComponent(id)}/passwords`)).passwords));
    } catch (error) {
      problem(error);
    }
  }

  async function importFile(input) {
    const file = input.files[0];
    input.value = "";
    if (!file) return;
    const kind = ["json", "csv"].find((name) => file.name.toLowerCase().endsWith(`.${name}`)) ?? "toml";
    try {
      await apply(null, { text: decoded(await file.arrayBuffer()), file: `rules.${kind}` });
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      note(h("p", { class: "wrong" }, t("rules.encoding")));
    }
  }

  // ---- history
  async function loadHistory() {
    try {
      state.versions = (await get("/api/rules/versions?limit=200")).versions;
      drawHistory();
    } catch (error) {
      problem(error);
    }
  }

  function drawHistory() {
    const detail = h("div", { class: "rules-detail", id: "rules-detail" });
    const line = (one) =>
      h("tr", { dataset: { version: one.version } },
        h("th", { scope: "row" }, h("button", { type: "button", class: "text", id: `version-${one.version}`, onclick: () => showVersion(one.version, detail) }, String(one.version))),
        h("td", {}, clockTime(one.at_ms, true)), h("td", {}, one.who || t("rules.file")), h("td", {}, one.why));
    fill(body, h("div", { class: "rules-history" }, h("div", { class: "rules-scroll" }, h("table", { id: "rules-versions" }, h("thead", {}, h("tr", {}, ["number", "when", "who", "why"].map((name) => h("th", { scope: "col" }, t(`rules.head_${name}`))))), h("tbody", {}, (state.versions ?? []).map(line)))), detail));
  }

  async function showVersion(version, detail) {
    try {
      const found = await get(`/api/rules/versions/${version}`);
      fill(
        detail,
        h("h2", {}, t("rules.changes_of", { version, against: found.against })),
        changeList(found.changes),
        version !== state.now.version && h("button", { type: "button", class: "quiet", id: "rules-restore", onclick: () => { state.draft = copy({ ...found.book, version: state.now.version, who: state.now.book.who, why: state.now.book.why, at_ms: state.now.book.at_ms }); state.base = state.now.version; state.touched = true; go("queue"); } }, t("rules.restore", { version })),
        h("a", { class: "quiet", href: `/api/rules.toml?version=${version}`, download: "" }, svg(ICONS.down, 18), "TOML"),
      );
    } catch (error) {
      problem(error);
    }
  }

  return { element, opened: load, keep: () => ({ draft: state.touched ? state.draft : null, base: state.base, place: state.place, told: state.told }) };
}
