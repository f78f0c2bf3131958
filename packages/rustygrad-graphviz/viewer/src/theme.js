// Light, dark, or as the system says; remembered where the browser allows it.

const KEY = "rustygrad-theme";
const THEMES = ["system", "light", "dark"];
const SIGNS = { system: "◐", light: "☀", dark: "☾" };

/** @param {HTMLButtonElement} button */
export function themeSwitch(button) {
  let theme = remembered();
  const apply = () => {
    if (theme === "system") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", theme);
    button.setAttribute("aria-label", `Colours: ${theme === "system" ? "as the system" : theme}`);
    button.title = button.getAttribute("aria-label") ?? "";
    if (button.firstElementChild)
      button.firstElementChild.textContent = SIGNS[/** @type {"system"} */ (theme)];
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // a page from a file may not be allowed to
    }
    apply();
  });
  apply();
}

function remembered() {
  try {
    const theme = localStorage.getItem(KEY) ?? "";
    return THEMES.includes(theme) ? theme : "system";
  } catch {
    return "system";
  }
}
