// Starts the page: language, session, then the view of the role.
import { Live, get, post, whenPasswordMustChange, whenSessionOver } from "./api.js";
import { agentView } from "./agent.js";
import { fill } from "./dom.js";
import { frame } from "./frame.js";
import { languageNow, loadLanguages, setLanguage } from "./i18n.js";
import { loginView } from "./login.js";
import { passwordDialog, passwordView } from "./password.js";
import { supervisorView } from "./supervisor.js";

const app = document.getElementById("app");
const page = { me: null, live: null, view: null, frame: null, notice: "" };

function show() {
  if (!page.me) {
    document.title = "Tierline";
    fill(app, loginView({ notice: page.notice, entered: enter, language: switchLanguage }));
    app.querySelector("input")?.focus();
    return;
  }
  if (page.me.user.must_change) {
    document.title = "Tierline";
    fill(app, passwordView({ user: page.me.user, changed: enter, logout, language: switchLanguage }));
    app.querySelector("input[type=password]")?.focus();
    return;
  }
  const make = page.me.user.role === "agent" ? agentView : supervisorView;
  const before = page.view?.keep?.() ?? {};
  page.view = make(page.me, before);
  page.frame = frame(page.me, page.view, { language: switchLanguage, logout, password: () => passwordDialog(page.me.user) });
  fill(app, page.frame.element);
  page.frame.live(page.isLive ?? false);
  page.frame.router(page.routerUp ?? true);
}

function switchLanguage(name) {
  if (name === languageNow()) return;
  setLanguage(name);
  show();
}

async function enter() {
  page.notice = "";
  page.me = await get("/api/me");
  page.live?.close();
  page.live = null;
  show();
  if (page.me.user.must_change) return;
  page.live = new Live({
    message: (data) => {
      if (data.type === "router") {
        page.routerUp = data.up;
        page.frame?.router(data.up);
      }
      page.view?.message(data);
      if (data.type === "rules") names();
    },
    state: (up) => {
      page.isLive = up;
      page.frame?.live(up);
    },
    crowded: () => page.frame?.crowded(),
  });
}

// Names of queues, reasons and seats have changed: drawn anew, unless somebody is editing the rules; then when that is left.
async function names() {
  try {
    page.me = await get("/api/me");
  } catch {
    return; // the session is over, or the next message comes
  }
  if (page.view?.editing?.()) page.view.left = () => setTimeout(show);
  else show();
}

function leave(notice) {
  page.live?.close();
  Object.assign(page, { me: null, live: null, view: null, frame: null, notice });
  show();
}

async function logout() {
  try {
    await post("/api/logout");
  } catch (error) {
    if (error.status !== 401) {
      page.frame?.problem(error);
      return;
    }
  }
  leave("");
}

whenPasswordMustChange(() => {
  if (page.me && !page.me.user.must_change) enter().catch((error) => page.frame?.problem(error));
});

whenSessionOver(() => {
  if (page.me) leave("login.over");
});

await loadLanguages();
try {
  await enter();
} catch (error) {
  page.notice = error.status === 401 ? "" : "error.network";
  show();
}
