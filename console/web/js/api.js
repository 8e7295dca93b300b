// HTTP and the live connection. Errors are ApiError with the server's code; text for people comes from the dictionary.
import { setNow } from "./dom.js";
import { t, word } from "./i18n.js";

const SESSION_OVER = 4401;

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

async function ask(method, path, body) {
  const options = { method, headers: { "X-Tierline": "1" }, credentials: "same-origin" };
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
    throw error;
  }
  setNow(data.now_ms);
  return data;
}

export const get = (path) => ask("GET", path);
export const post = (path, body) => ask("POST", path, body);

export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

// Live connection that comes back by itself. `on.message(data)`, `on.state(up)`.
export class Live {
  constructor(on) {
    this.on = on;
    this.pause = 300;
    this.open();
  }

  open() {
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
    this.socket.onopen = () => {
      this.pause = 300;
      this.on.state(true);
    };
    this.socket.onmessage = (event) => {
      const data = JSON.parse(event.data);
      setNow(data.now_ms);
      this.on.message(data);
    };
    this.socket.onclose = (event) => this.closed(event.code);
  }

  closed(code) {
    if (this.ended) return;
    this.on.state(false);
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
    }
    if (!this.ended) this.open();
  }

  close() {
    this.ended = true;
    clearTimeout(this.again);
    this.socket.close();
  }
}
