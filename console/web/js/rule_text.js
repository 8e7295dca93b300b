// Lists of the rules as one line of text in a field, both ways. A text that cannot be read throws with the part that is wrong.

export class Unreadable extends Error {}

const split = (text, mark) => text.split(mark).map((part) => part.trim()).filter(Boolean);
const wrong = (part) => {
  throw new Unreadable(part);
};

export const list = {
  show: (value) => value.join(", "),
  read: (text) => split(text.replaceAll("，", ","), ","),
};

// billing=1, faults=2
export const skills = {
  show: (value) => Object.entries(value).map(([skill, level]) => `${skill}=${level}`).join(", "),
  read: (text) => {
    const levels = new Map();
    for (const part of list.read(text)) {
      const found = /^([^=\s]+)\s*=\s*([1-9])$/.exec(part);
      if (!found || levels.has(found[1])) wrong(part); // a skill that stands twice would keep the last level without a word
      levels.set(found[1], Number(found[2]));
    }
    return Object.fromEntries(levels);
  },
};

// 0 city 3; 20 centre; 60 nation 9 vip: seconds, ring, worst level, skill
export const ladder = {
  show: (value) => value.map((rung) => `${rung.after_s} ${rung.ring} ${rung.level}${rung.skill ? ` ${rung.skill}` : ""}`).join("; "),
  read: (text) =>
    split(text.replaceAll("；", ";"), ";").map((part) => {
      const found = /^(\d+)\s+(city|centre|nation)(?:\s+([1-9]))?(?:\s+(\S+))?$/.exec(part);
      return found ? { after_s: Number(found[1]), ring: found[2], level: Number(found[3] ?? 9), skill: found[4] ?? "" } : wrong(part);
    }),
};

// mon-fri 08:30-17:30; sat,sun 09:00-12:00
export const hours = {
  show: (value) => value.map((one) => `${one.days} ${one.open}-${one.close}`).join("; "),
  read: (text) =>
    split(text.replaceAll("；", ";"), ";").map((part) => {
      const found = /^([a-z,-]+)\s+(\d\d:\d\d)-(\d\d:\d\d)$/.exec(part);
      return found ? { days: found[1], open: found[2], close: found[3] } : wrong(part);
    }),
};

// 2026-10-01 国庆节; 2026-10-08 09:00-12:00
export const holidays = {
  show: (value) => value.map((one) => [one.date, one.open && `${one.open}-${one.close}`, one.name].filter(Boolean).join(" ")).join("; "),
  read: (text) =>
    split(text.replaceAll("；", ";"), ";").map((part) => {
      const found = /^(\d{4}-\d\d-\d\d)(?:\s+(\d\d:\d\d)-(\d\d:\d\d))?(?:\s+(.+))?$/.exec(part);
      return found ? { date: found[1], open: found[2] ?? "", close: found[3] ?? "", name: found[4] ?? "" } : wrong(part);
    }),
};
