import { defineStore } from "pinia";
import { ref, watch } from "vue";
import { setLocale, type Locale } from "@/i18n";

export type Theme = "light" | "dark" | "system";

const THEMES: readonly Theme[] = ["light", "dark", "system"];
const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** What somebody likes better on this browser; nothing of it is the platform's business. */
export const usePreferences = defineStore("preferences", () => {
  const theme = ref<Theme>(THEMES.find((one) => one === read("theme")) ?? "system");
  const locale = ref<Locale>(chosenLocale());
  const isDark = ref(false);

  function apply(): void {
    isDark.value = theme.value === "dark" || (theme.value === "system" && dark.matches);
    document.documentElement.classList.toggle("dark", isDark.value);
  }

  dark.addEventListener("change", apply);
  watch(
    theme,
    (value) => {
      keep("theme", value);
      apply();
    },
    { immediate: true },
  );
  watch(locale, async (value) => {
    keep("locale", value);
    await setLocale(value);
  });
  return { theme, locale, isDark };
});

function chosenLocale(): Locale {
  const kept = read("locale");
  if (kept === "en" || kept === "zh-CN") return kept;
  return navigator.languages.find((tag) => /^(en|zh)\b/i.test(tag))?.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
}

/** Storage may be forbidden or full: what is kept there is never needed. */
export function read(name: string): string | null {
  try {
    return localStorage.getItem(`studio.${name}`);
  } catch {
    return null;
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`studio.${name}`, value);
  } catch {
    // Then it is asked again next time.
  }
}
