// Before the first paint, so that a dark page never flashes white. The keys are src/stores/preferences.ts's.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("studio.theme");
  } catch (error) {
    // Storage may be forbidden; then the system's theme it is.
  }
  var dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark", dark);
})();
