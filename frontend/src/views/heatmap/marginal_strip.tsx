/** Bars along one side of a drawing; of a sequence, mean magnitudes. */

import { computed } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type ColourMap } from "../../drawing/colour_maps";
import { type Scale } from "../../drawing/colour_scale";
import { marginalsOf, paintStrip } from "../../drawing/marginals";
import { numberText } from "../../drawing/number_text";
import { type Picture } from "../../drawing/picture";
import { paintNow, paintSpaced } from "../../drawing/spaced_painting";
import { summarise } from "../../drawing/summary";
import { type LoadedArray } from "../../state/arrays";
import { quantity } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { areDifferences } from "../../state/columns";
import { dark } from "../../state/host";
import { type Panel } from "../../state/panels";
import { scrubbing } from "../../state/playback";
import { type Drawn } from "./layout";

/** In CSS pixels: how far the bars reach, and that with the gap to the drawing. */
export const stripDepth = 30;
export const stripRoom = 36;

/** Whether means are drawn: of a sequence, and not of a difference, of which they are not known. */
export const haveMarginals = computed(
  () => choices.value.marginals && quantity.value?.kind === "sequence" && !areDifferences.value,
);

const colours = {
  light: { fill: "#9aa0a6", line: "#212121" },
  dark: { fill: "#80868b", line: "#f5f5f5" },
};

type Of = "timestep" | "channel";

interface StripProps {
  side: "top" | "right";
  of: Of;
  /** What it is called, but for the panel and its numbers; and what it means. */
  name: string;
  meaning: string;
  lines: Float32Array[];
  scale: Scale;
  map: ColourMap;
  size: Drawn;
  panel: Panel;
  onPointerMove?: (event: PointerEvent) => void;
  onPointerLeave?: () => void;
}

function rangeWords(lines: readonly Float32Array[]): string {
  const ends = lines.map(summarise).flatMap(({ low, high }) => (low === null || high === null ? [] : [low, high]));
  if (ends.length === 0) return "nothing finite";
  return `from ${numberText(Math.min(...ends), 2)} to ${numberText(Math.max(...ends), 2)}`;
}

function explanation(of: Of, lines: number): string {
  const over = of === "timestep" ? "all channels" : "all timesteps";
  const which = lines > 1 ? " Filled: forward; line: backward." : "";
  return `Mean magnitude of each ${of} over ${over}, on the scale of the colours.${which}`;
}

export function Strip({ side, of, name, meaning, lines, scale, map, size, panel, ...handlers }: StripProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const isDark = dark.value;
  const length = side === "top" ? size.width : size.height;
  useLayoutEffect(() => {
    const ratio = window.devicePixelRatio;
    const style = { side, length: Math.round(length * ratio), depth: Math.round(stripDepth * ratio) };
    const nan = map.special.nan;
    const element = canvas.current;
    if (element === null) return;
    const paint = () => {
      paintStrip(element, lines, scale, { ...style, ...colours[isDark ? "dark" : "light"], nan });
    };
    // While steps fly by, the drawings have the frames; what stands beside them follows.
    (scrubbing.peek() ? paintSpaced : paintNow)(element, paint);
  }, [lines, length, side, isDark, map, scale.kind, scale.decades, scale.limit]);
  const extent = side === "top" ? { width: `${length}px` } : { height: `${length}px` };
  return (
    <canvas
      {...handlers}
      ref={canvas}
      class={`marginal ${side}`}
      role="img"
      aria-label={`${name}, ${panel.run.run} ${panel.item}: ${rangeWords(lines)}`}
      title={meaning}
      style={extent}
      data-run={panel.run.run}
      data-item={panel.item}
      data-of={of}
    />
  );
}

export interface MarginalsProps {
  panel: Panel;
  array: LoadedArray;
  picture: Picture;
  scale: Scale;
  map: ColourMap;
  size: Drawn;
}

interface Lines {
  rows: Float32Array[];
  columns: Float32Array[];
}

/** The same for the same picture: a strip is painted again only when its values are others. */
const made = new WeakMap<Picture, Lines>();

function linesIn(array: LoadedArray, marginals: Float32Array, picture: Picture): Lines {
  const known = made.get(picture);
  if (known !== undefined) return known;
  const [rows, columns] = array.shape;
  const { alongRows, alongColumns } = marginalsOf({ marginals, rows, columns }, picture);
  const found = { rows: alongRows, columns: [alongColumns] };
  made.set(picture, found);
  return found;
}

const none: Lines = { rows: [], columns: [] };

/** The strips above and to the right of a drawing. An array of which no means are known leaves their room empty. */
export function marginalStrips({ array, picture, ...rest }: MarginalsProps) {
  const lines = array.marginals === null ? none : linesIn(array, array.marginals, picture);
  const strip = (of: Of, ofIt: Float32Array[]) => ({
    of,
    name: `Mean magnitude of each ${of}`,
    meaning: explanation(of, ofIt.length),
    lines: ofIt,
  });
  const rows = strip("timestep", lines.rows);
  const columns = strip("channel", lines.columns);
  const [top, right] = picture.transposed ? [rows, columns] : [columns, rows];
  return { top: <Strip side="top" {...top} {...rest} />, right: <Strip side="right" {...right} {...rest} /> };
}
