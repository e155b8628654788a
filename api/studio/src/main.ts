import PrimeVue from "primevue/config";
import ConfirmationService from "primevue/confirmationservice";
import ToastService from "primevue/toastservice";
import Tooltip from "primevue/tooltip";
import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import { i18n, setLocale } from "./i18n";
import { isAhead } from "./pages/apps/ahead";
import { router } from "./router";
import { usePreferences } from "./stores/preferences";
import { preset } from "./theme";
import "./styles/app.css";

// A page that was open while the platform was updated asks for parts that are gone.
window.addEventListener("vite:preloadError", (event) => {
  event.preventDefault();
  if (!isAhead()) window.location.reload();
});

async function begin(): Promise<void> {
  const app = createApp(App);
  app.use(createPinia());
  app.use(PrimeVue, {
    theme: { preset, options: { darkModeSelector: ".dark", cssLayer: { name: "primevue", order: "primevue, studio" } } },
  });
  app.use(ToastService);
  app.use(ConfirmationService);
  app.directive("tooltip", Tooltip);
  const preferences = usePreferences();
  // A language that cannot be fetched just now keeps nobody from the page: English is there.
  await setLocale(preferences.locale).catch(() => undefined);
  app.use(i18n);
  app.use(router);
  app.mount("#app");
}

void begin();
