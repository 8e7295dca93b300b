// Lists of the rules as one line of text in a field, both ways. A text that cannot be read throws with the part that is wrong.

export class Unreadable extends Error {
  constructor(part, why = "unreadable") {
    super(part);
    this.why = why;
  }
}

const split = (text, mark) => text.split(mark).map((part) => part.trim()).filter(Boolean);
const wrong = (part) => {
  throw new Unreadable(part);
};
// The same name twice: nobody can know which was meant.
const once = (parts, name) => {
  const seen = new Set();
  for (const part of parts) {
    const key = name(part);
    if (seen.has(key)) throw new Unreadable(key, "twice");
    seen.add(key);
  }
  return parts;
};

export const list = {
  show: (value) => value.join(", "),
  read: (text) => once(split(text.replaceAll("，", ","), ","), (part) => part),
};

// billing=1, faults=2
export const skills = {
  show: (value) => Object.entries(value).map(([skill, level]) => `${skill}=${level}`).join(", "),
  read: (text) =>
    Object.fromEntries(
      once(
        split(text.replaceAll("，", ","), ",").map((part) => {
          const found = /^([^=\s]+)\s*=\s*([1-9])$/.exec(part);
          return found ? [found[1], Number(found[2])] : wrong(part);
        }),
        ([skill]) => skill,
      ),
    ),
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

// 2026-10-01 国庆节; 2026-10-10 08:30-12:00; 2026-10-10 14:00-17:30
export const holidays = {
  show: (value) => value.map((one) => [one.date, one.open && `${one.open}-${one.close}`, one.name].filter(Boolean).join(" ")).join("; "),
  read: (text) =>
    once(
      split(text.replaceAll("；", ";"), ";").map((part) => {
        const found = /^(\d{4}-\d\d-\d\d)(?:\s+(\d\d:\d\d)-(\d\d:\d\d))?(?:\s+(.+))?$/.exec(part);
        return found ? { date: found[1], open: found[2] ?? "", close: found[3] ?? "", name: found[4] ?? "" } : wrong(part);
      }),
      (one) => `${one.date} ${one.open}`.trim(),
    ),
};
