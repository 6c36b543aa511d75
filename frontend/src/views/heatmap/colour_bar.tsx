/** The colours with the numbers they stand for. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { usedPositions, valueAt } from "../../drawing/colour_scale";
import { type Colouring } from "../../drawing/heatmap";
import { numberText } from "../../drawing/number_text";
import { barTicks } from "../../drawing/ticks";
import { scaleText } from "./scale_text";

function paintBar(canvas: HTMLCanvasElement, { scale, map }: Colouring): void {
  const [start] = usedPositions(scale, map);
  const colours = map.colours.slice(Math.round(start * 256)).reverse();
  canvas.width = 1;
  canvas.height = colours.length;
  const context = canvas.getContext("2d");
  if (context === null) return;
  const image = context.createImageData(1, colours.length);
  new Uint32Array(image.data.buffer).set(colours);
  context.putImageData(image, 0, 0);
}

export function ColourBar({ colouring, height }: { colouring: Colouring; height: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { scale, map } = colouring;
  const [start, end] = usedPositions(scale, map);
  useLayoutEffect(() => {
    if (canvas.current !== null) paintBar(canvas.current, colouring);
  }, [map, start]);
  const ends = [valueAt(scale, map, end), valueAt(scale, map, start)].map((value) => numberText(value, 3));
  return (
    <div class="colour-bar" style={{ height: `${height}px` }}>
      <canvas
        ref={canvas}
        role="img"
        aria-label={`Colour bar, ${map.name} from ${ends[1]} to ${ends[0]}, ${scaleText(scale.kind, scale.decades, scale.absolute)}`}
        title={`From ${ends[1]} to ${ends[0]}`}
      />
      {barTicks(scale, map, 15 / height).map(({ position, text }) => (
        <span key={text} style={{ bottom: `${position * 100}%` }} aria-hidden="true">
          {text}
        </span>
      ))}
    </div>
  );
}
