// HTTP and the live connection. Errors are ApiError with the server's code; text for people comes from the dictionary.
import { setNow } from "./dom.js";
import { t, word } from "./i18n.js";

const SESSION_OVER = 4401;
const TOO_MANY = 4408;
const ANSWER_MS = 15_000; // a request without an answer for so long has failed
const SILENT_MS = 9_000; // the server sends something at least every 4 s: after so much silence the connection is lost

export class ApiError extends Error {
  constructor(status, error = {}, data = {}) {
    super(error.text || "");
    Object.assign(this, { status, code: error.code || "network", field: error.field || "", wait: 0, data });
  }

  // What the page shows: a translated word for the codes we know, else the server's text.
  get shown() {
    const text = word("error", this.code);
    if (this.code === "throttled") return t("error.throttled", { seconds: this.wait });
    return text === this.code ? this.message || this.code : text;
  }
}

let onSessionOver = () => {};
export function whenSessionOver(action) {
  onSessionOver = action;
}

let onMustChange = () => {};
export function whenPasswordMustChange(action) {
  onMustChange = action;
}

async function ask(method, path, body, wait = ANSWER_MS) {
  const options = { method, headers: { "X-Tierline": "1" }, credentials: "same-origin", signal: AbortSignal.timeout(wait) };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError(0);
  }
  const data = await response.json().catch(() => ({}));
  if (!response.ok) {
    const error = new ApiError(response.status, data.error, data);
    error.wait = Number(response.headers.get("Retry-After")) || 0;
    if (response.status === 401 && error.code === "not_logged_in") onSessionOver();
    if (response.status === 403 && error.code === "change_password") onMustChange();
    throw error;
  }
  setNow(data.now_ms);
  return data;
}

export const get = (path) => ask("GET", path);
export const post = (path, body, wait) => ask("POST", path, body, wait);

export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

// Live connection that comes back by itself. `on.message(data)`, `on.state(up)`. A connection that is silent for too long is
// given up: a lost network closes nothing. `on.crowded()`: the same person has opened too many.
export class Live {
  constructor(on) {
    this.on = on;
    this.pause = 300;
    this.open();
  }

  open() {
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
    const socket = this.socket;
    this.listen(socket);
    socket.onopen = () => {
      this.pause = 300;
      this.on.state(true);
    };
    socket.onmessage = (event) => {
      this.listen(socket);
      const data = JSON.parse(event.data);
      setNow(data.now_ms);
      this.on.message(data);
    };
    socket.onclose = (event) => socket === this.socket && this.closed(event.code);
  }

  listen(socket) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      if (socket !== this.socket || this.ended) return;
      this.socket = null; // its own end may be told minutes later
      socket.close();
      this.closed(0);
    }, SILENT_MS);
  }

  closed(code) {
    clearTimeout(this.silence);
    if (this.ended) return;
    this.on.state(false);
    if (code === TOO_MANY) {
      this.on.crowded();
      return;
    }
    if (code === SESSION_OVER) {
      onSessionOver();
      return;
    }
    this.again = setTimeout(() => this.retry(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, 8000);
  }

  // A refused handshake tells no reason, so ask whether the session still is one before trying again.
  async retry() {
    try {
      await get("/api/me");
    } catch (error) {
      if (error.status === 401) return;
      if (error.status === 0 && !this.ended) return this.closed(0); // no network yet
    }
    if (!this.ended) this.open();
  }

  close() {
    this.ended = true;
    clearTimeout(this.again);
    clearTimeout(this.silence);
    this.socket?.close();
  }
}
