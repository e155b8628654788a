import { useI18n } from "vue-i18n";
import { onScopeDispose, ref, watchEffect, type Ref } from "vue";

/** Times, durations and sizes as the person's language writes them. */
export function useFormat() {
  const { locale } = useI18n();

  function moment(iso: string | null | undefined): string {
    if (!iso) return "";
    return new Intl.DateTimeFormat(locale.value, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
  }

  function clock(iso: string): string {
    return new Intl.DateTimeFormat(locale.value, { hour: "2-digit", minute: "2-digit" }).format(new Date(iso));
  }

  function ago(iso: string, now: number = Date.now()): string {
    const seconds = Math.min(0, (new Date(iso).getTime() - now) / 1000);
    const format = new Intl.RelativeTimeFormat(locale.value, { numeric: "auto", style: "long" });
    const steps: [Intl.RelativeTimeFormatUnit, number][] = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12]];
    let value = seconds;
    for (const [unit, size] of steps) {
      if (Math.abs(value) < size) return format.format(Math.round(value), unit);
      value /= size;
    }
    return format.format(Math.round(value), "year");
  }

  /** `0.4 s`, `12 s`, `2 min 5 s`. */
  function duration(milliseconds: number): string {
    const seconds = Math.max(0, milliseconds) / 1000;
    const unit = (value: number, name: string, digits = 0) =>
      new Intl.NumberFormat(locale.value, { style: "unit", unit: name, unitDisplay: "narrow", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
    if (seconds < 9.95) return unit(seconds, "second", 1);
    if (seconds < 59.5) return unit(seconds, "second");
    const whole = Math.round(seconds);
    return `${unit(Math.floor(whole / 60), "minute")} ${unit(whole % 60, "second")}`;
  }

  function bytes(value: number): string {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
    let step = 0;
    let size = value;
    while (size >= 1000 && step < units.length - 1) {
      size /= 1024;
      step += 1;
    }
    return new Intl.NumberFormat(locale.value, { style: "unit", unit: units[step] ?? "byte", unitDisplay: "short", maximumFractionDigits: size < 10 && step > 0 ? 1 : 0 }).format(size);
  }

  function percent(share: number): string {
    return new Intl.NumberFormat(locale.value, { style: "percent", maximumFractionDigits: 0 }).format(share);
  }

  return { moment, clock, ago, duration, bytes, percent };
}

/** The present time, as often as `every` says, for as long as `active` is true. */
export function useNow(active: () => boolean, every = 200): Ref<number> {
  const now = ref(Date.now());
  let timer = 0;
  watchEffect(() => {
    window.clearInterval(timer);
    now.value = Date.now();
    if (active()) timer = window.setInterval(() => (now.value = Date.now()), every);
  });
  onScopeDispose(() => window.clearInterval(timer));
  return now;
}
