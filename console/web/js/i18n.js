// Two languages, one dictionary file each. The choice is kept in the browser.
const LOCALES = { zh: "zh-CN", en: "en" };
const words = {};
let language = "zh";

export async function loadLanguages() {
  await Promise.all(
    Object.keys(LOCALES).map(async (name) => {
      words[name] = await (await fetch(`/i18n/${name}.json`)).json();
    }),
  );
  const kept = localStorage.getItem("language");
  setLanguage(kept in LOCALES ? kept : navigator.language.startsWith("zh") ? "zh" : "en");
}

export function setLanguage(name) {
  language = name;
  localStorage.setItem("language", name);
  document.documentElement.lang = LOCALES[name];
}

export function languageNow() {
  return language;
}

export function locale() {
  return LOCALES[language];
}

// t("state.ready"); t("error.throttled", { seconds: 4 }). An unknown key shows itself: a test looks for those.
export function t(key, values = {}) {
  const text = words[language][key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// A word of a closed list that may grow on the server: unknown ones show as they are.
export function word(group, name) {
  if (!name) return "";
  return words[language][`${group}.${name}`] ?? name;
}

// The name in the page's language of something that has both: {zh, en}.
export function named(item) {
  return item ? item[language] || item.zh || item.en || item.id : "";
}
