// What of a rule book is edited on the page: for each table its columns and an empty row.
import * as texts from "./rule_text.js";

const POLICIES = ["highest_skill", "longest_idle", "longest_average_idle", "fewest_calls", "weighted_random"];
const calendars = (book) => ["", ...book.calendar.map((one) => one.id)];
const text = (key, size = 10) => ({ key, size });
const number = (key) => ({ key, kind: "number", size: 5 });
const choice = (key, choices) => ({ key, kind: "choice", choices });
const lines = (key, form, size = 24) => ({ key, kind: "lines", form, size });

export const TABLES = {
  queue: {
    columns: [
      text("id"),
      text("zh"),
      text("en", 14),
      text("skill"),
      number("priority"),
      number("ring_s"),
      number("after_call_s"),
      choice("policy", () => POLICIES),
      lines("ladder", texts.ladder),
      lines("vip_ladder", texts.ladder),
      number("own_agent_s"),
      number("max_waiting"),
      number("max_wait_s"),
      number("callback_from_s"),
      number("position_every_s"),
      choice("calendar", calendars),
    ],
    empty: { id: "", skill: "", zh: "", en: "", priority: 0, ring_s: 20, after_call_s: 10, position_every_s: 20, record: true, policy: POLICIES[0], ladder: [], vip_ladder: [], own_agent_s: 0, max_waiting: 0, max_wait_s: 0, callback_from_s: 0, calendar: "", closed: "" },
    closing: true,
    cards: true,
  },
  agent: {
    columns: [text("id"), text("name"), choice("role", () => ["agent", "supervisor", "administrator"]), text("seat", 7), lines("skills", texts.skills), text("city"), number("weight")],
    empty: { id: "", name: "", role: "agent", seat: "", skills: {}, city: "", weight: 1 },
    passwords: true,
  },
  calendar: {
    columns: [text("id"), text("zone", 15), lines("hours", texts.hours, 44), lines("holidays", texts.holidays, 40)],
    empty: { id: "", zone: "Asia/Shanghai", hours: [], holidays: [] },
  },
  branch: {
    columns: [text("id"), lines("numbers", texts.list), lines("cities", texts.list), choice("calendar", calendars)],
    empty: { id: "", numbers: [], cities: [], calendar: "", closed: "" },
    closing: true,
  },
  vip: { columns: [text("number", 16), number("level"), text("name", 16)], empty: { number: "", level: 1, name: "" } },
  blacklist: { columns: [text("number", 16), text("reason", 20), text("until", 24)], empty: { number: "", reason: "", until: "" } },
  not_ready: { columns: [text("id"), text("zh"), text("en", 14)], empty: { id: "", zh: "", en: "" } },
};
