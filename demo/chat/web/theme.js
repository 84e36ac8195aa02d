const KEY = 'causeway-chat:theme';
const NEXT = { auto: 'dark', dark: 'light', light: 'auto' };
const LABELS = { auto: 'Theme: as the system', dark: 'Theme: dark', light: 'Theme: light' };

/** A button that goes through the themes; the choice stays in this browser. @param {HTMLButtonElement} button */
export function initTheme(button) {
  let theme = 'auto';
  try {
    theme = localStorage.getItem(KEY) ?? theme;
  } catch {
    // The storage is forbidden: it is as the system has it.
  }
  if (!(theme in NEXT)) theme = 'auto';
  const apply = () => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = { auto: '◐', dark: '●', light: '○' }[theme];
    button.title = LABELS[theme];
    button.setAttribute('aria-label', LABELS[theme]);
  };
  button.addEventListener('click', () => {
    theme = NEXT[theme];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Then it is forgotten with the tab.
    }
    apply();
  });
  apply();
}
