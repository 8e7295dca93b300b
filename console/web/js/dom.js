// Small helpers: elements, timers that tick, messages for screen readers.
import { locale } from "./i18n.js";

let skew = 0; // server's clock less ours, ms

export function setNow(serverMs) {
  if (serverMs) skew = serverMs - Date.now();
}

export function now() {
  return Date.now() + skew;
}

// h("button", { class: "big", onclick: f, "aria-label": "x" }, "text", child, ...)
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(path, size = 20) {
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true", class: "icon" })) {
    icon.setAttribute(name, value);
  }
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  icon.append(line);
  return icon;
}

export const ICONS = {
  phone: "M6.6 3.5 9 3l2 5-2.3 1.7a11 11 0 0 0 5.6 5.6L16 13l5 2-.5 2.4c-.3 1.5-1.7 2.5-3.2 2.3C10.500 18.700 5.300 13.500 4.300 6.700 4.100 5.200 5.100 3.800 6.600 3.500Z",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.500 20c.8-3.600 3.800-5.500 7.500-5.500s6.700 1.900 7.500 5.500",
  wave: "M4 10v4M8 7v10M12 4v16M16 7v10M20 10v4",
  close: "M6 6l12 12M18 6 6 18",
  down: "M12 4v11m0 0 4.500-4.500M12 15l-4.500-4.500M5 20h14",
  check: "M5 12.500 10 17.500 19 7",
};

export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${two(minutes)}:${two(seconds % 60)}`;
}

// A text that counts up from `since`, or down to `until` (server's UTC ms). `warn`, `alarm`: classes from that many ms on.
export function timer({ since = 0, until = 0, warn = 0, alarm = 0, name = "timer" }) {
  const element = h("span", { class: name, dataset: { since, until, warn, alarm } });
  tick(element);
  return element;
}

function tick(element) {
  const { since, until, warn, alarm } = element.dataset;
  const age = Number(until) ? Number(until) - now() : now() - Number(since);
  element.textContent = Number(since) || Number(until) ? duration(Number(until) ? age + 999 : age) : "–";
  if (Number(warn)) element.classList.toggle("warn", age >= Number(warn) && age < Number(alarm));
  if (Number(alarm)) element.classList.toggle("alarm", age >= Number(alarm));
}

setInterval(() => document.querySelectorAll("[data-since]").forEach(tick), 250);

export function clockTime(ms, withDay = false) {
  if (!ms) return "–";
  const parts = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return new Date(ms).toLocaleString(locale(), withDay ? { month: "2-digit", day: "2-digit", ...parts } : parts);
}

// Replace what an element holds, and keep the keyboard's place by id.
export function fill(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  element.replaceChildren(...children.flat().filter(Boolean));
  if (focused) document.getElementById(focused)?.focus();
}

export function say(text) {
  document.getElementById("said").textContent = text;
}
