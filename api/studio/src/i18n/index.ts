import { createI18n } from "vue-i18n";
import en from "@/messages/en";

export type Locale = "en" | "zh-CN";
export type Messages = typeof en;

export const LOCALES: Record<Locale, string> = { en: "English", "zh-CN": "简体中文" };

/** English is there at once; another language is fetched when it is chosen, whole (its type says so). */
export const i18n = createI18n<[Messages], Locale, false>({
  legacy: false,
  locale: "en",
  fallbackLocale: "en",
  messages: { en } as Record<Locale, Messages>,
});

export async function setLocale(locale: Locale): Promise<void> {
  if (!i18n.global.availableLocales.includes(locale)) {
    const found = (await import("@/messages/zh-CN")).default;
    i18n.global.setLocaleMessage(locale, found);
  }
  i18n.global.locale.value = locale;
  document.documentElement.lang = locale;
}
