import { definePreset } from "@primeuix/themes";
import Aura from "@primeuix/themes/aura";

/** Aura in indigo on zinc, with contrasts that reach WCAG AA in both themes. */
export const preset = definePreset(Aura, {
  components: {
    button: {
      colorScheme: {
        light: {
          root: { danger: { background: "{red.600}", borderColor: "{red.600}", hoverBackground: "{red.700}", hoverBorderColor: "{red.700}" } },
          outlined: { danger: { color: "{red.700}" } },
        },
      },
    },
    togglebutton: { colorScheme: { light: { root: { color: "{surface.600}", hoverColor: "{surface.800}" } } } },
  },
  semantic: {
    primary: Object.fromEntries(
      [50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950].map((step) => [step, `{indigo.${step}}`]),
    ),
    colorScheme: {
      light: {
        primary: {
          color: "{primary.600}",
          contrastColor: "#ffffff",
          hoverColor: "{primary.700}",
          activeColor: "{primary.800}",
        },
        surface: { 0: "#ffffff", ...zinc() },
        formField: { placeholderColor: "{surface.500}" },
        text: { mutedColor: "{surface.600}" },
      },
      dark: {
        primary: {
          color: "{primary.400}",
          contrastColor: "{surface.950}",
          hoverColor: "{primary.300}",
          activeColor: "{primary.200}",
        },
        surface: { 0: "#ffffff", ...zinc() },
        formField: { placeholderColor: "{surface.400}" },
      },
    },
  },
});

function zinc(): Record<number, string> {
  return Object.fromEntries(
    [50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950].map((step) => [step, `{zinc.${step}}`]),
  );
}
