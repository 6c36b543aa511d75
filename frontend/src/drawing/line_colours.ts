/** Colours of lines and dots: a run's own, made visible on the background, and in shades. */

interface Theme {
  background: string;
  text: string;
}

/** As in base.css: a canvas does not see its variables. */
const light: Theme = { background: "#ffffff", text: "#212121" };
const dark: Theme = { background: "#303030", text: "#f5f5f5" };

/** The line at zero: seen, but less than any data. */
export function zeroColour(isDark: boolean): string {
  return isDark ? "#80868b" : "#9aa0a6";
}

type Parts = readonly [red: number, green: number, blue: number];

function partsOf(hex: string): Parts {
  const number = parseInt(hex.slice(1), 16);
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}

function mixed(from: string, to: string, share: number): string {
  const ends = partsOf(to);
  const parts = partsOf(from).map((part, i) => Math.round(part + share * (ends[i] - part)));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** Relative luminance, WCAG 2.2. */
function luminance(hex: string): number {
  const [red, green, blue] = partsOf(hex).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The contrast ratio of two colours, 1 to 21, WCAG 2.2. */
export function contrast(one: string, other: string): number {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

/** What WCAG 2.2 asks of graphics (success criterion 1.4.11). */
const leastContrast = 3;
const steps = 20;

/** The colour, moved towards that of the text no further than it takes to be seen on the background. */
export function visibleColour(colour: string, isDark: boolean): string {
  const { background, text } = isDark ? dark : light;
  for (let i = 0; i < steps; i++) {
    const candidate = mixed(colour, text, i / steps);
    if (contrast(candidate, background) >= leastContrast) return candidate;
  }
  return text;
}

/** The colour, moved towards the background as far as it is still seen. */
function faintest(colour: string, isDark: boolean): string {
  const { background } = isDark ? dark : light;
  let found = colour;
  for (let i = 1; i < steps; i++) {
    const candidate = mixed(colour, background, i / steps);
    if (contrast(candidate, background) < leastContrast) break;
    found = candidate;
  }
  return found;
}

/** How far the last shade is from the colour towards that of the text. */
const furthest = 0.75;

/** As many shades of a colour as there are lines to be told apart, from the faintest that is seen to near the text. */
export function shades(colour: string, isDark: boolean, count: number): string[] {
  const visible = visibleColour(colour, isDark);
  if (count === 1) return [visible];
  const ends = [faintest(visible, isDark), mixed(visible, (isDark ? dark : light).text, furthest)];
  return Array.from({ length: count }, (_, i) => mixed(ends[0], ends[1], i / (count - 1)));
}

/** 360° divided by the square of the golden ratio: multiples of it never come near to each other soon. */
const goldenAngle = 137.508;

function hexOfHue(hue: number): string {
  // HSL with a saturation of 60% and half the lightness, as in the CSS Color Module 4, section 7.1.
  const part = (n: number) => {
    const k = (n + hue / 30) % 12;
    return 0.5 - 0.3 * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  };
  return `#${[0, 8, 4]
    .map((n) =>
      Math.round(255 * part(n))
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}

/** The colour of the n-th of many things, unlike that of its neighbours. */
export function distinctColour(n: number, isDark: boolean): string {
  return visibleColour(hexOfHue((n * goldenAngle) % 360), isDark);
}
