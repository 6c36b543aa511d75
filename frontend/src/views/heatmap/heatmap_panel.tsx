/** One drawing with its title, axes, crosshair and, when scales are not shared, a colour bar of its own. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { type Colouring, drawnPixels, paintHeatmap } from "../../drawing/heatmap";
import { cellAt, type Picture, pixelOf } from "../../drawing/picture";
import { type LoadedArray } from "../../state/arrays";
import { choices } from "../../state/choices";
import { map, type Panel, scaleOf } from "../../state/panels";
import { pointAt, pointed } from "../../state/pointing";
import { problem } from "../../state/problems";
import { panelPixels } from "../../state/wanted";
import { Axes } from "./axes";
import { ColourBar } from "./colour_bar";
import { Crosshair } from "./crosshair";
import { pictureOf } from "./pictures";
import { type Drawn } from "./layout";
import { nonFiniteText, panelLabel } from "./wording";

const largestCell = 20;

function sizeOf(picture: Picture): Drawn {
  const ratio = window.devicePixelRatio;
  const room = panelPixels.value ?? { width: 0, height: 0 };
  const cap = Math.round(largestCell * ratio);
  return {
    width: drawnPixels(picture.width, room.width, cap) / ratio,
    height: drawnPixels(picture.height, room.height, cap) / ratio,
  };
}

/** The run and its step stand above its column; a panel tells its own step only where that is another. */
function Title({ panel, array, step }: { panel: Panel; array: LoadedArray | null; step: number | null }) {
  const badge = array === null ? "" : nonFiniteText(array);
  return (
    <div class="panel-title">
      <span class="quiet">
        {panel.item}
        {array === null || array.step === step ? "" : `, step ${array.step}`}
      </span>
      {badge === "" ? null : (
        <span class="badge" title="Cells of the whole array that are not finite numbers">
          {badge}
        </span>
      )}
    </div>
  );
}

const arrows: Partial<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function pointAtPixel(panel: Panel, picture: Picture, x: number, y: number): void {
  const { rows, columns } = cellAt(picture, x, y);
  pointAt({ key: panel.key, row: rows[0], column: columns[0] });
}

/** Arrow keys move the cell here; elsewhere they move the step. */
function onKey(event: KeyboardEvent, panel: Panel, picture: Picture): void {
  const move = arrows[event.key];
  if (event.key === "Escape") pointAt(null);
  if (move === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  const cell = pointed.value;
  const from = cell === null ? null : pixelOf(picture, cell.row, cell.column);
  const x = from === null ? 0 : Math.max(0, Math.min(picture.width - 1, from.x + move[0]));
  const y = from === null ? 0 : Math.max(0, Math.min(picture.height - 1, from.y + move[1]));
  pointAtPixel(panel, picture, x, y);
}

function onPointer(event: PointerEvent, panel: Panel, picture: Picture): void {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const x = Math.floor(((event.clientX - box.left) / box.width) * picture.width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * picture.height);
  if (x >= 0 && y >= 0 && x < picture.width && y < picture.height) pointAtPixel(panel, picture, x, y);
}

interface DrawingProps {
  panel: Panel;
  array: LoadedArray;
  picture: Picture;
  colouring: Colouring;
  size: Drawn;
}

/** The canvas. Its data attributes say what is drawn and how, to the last digit. */
function Drawing({ panel, array, picture, colouring, size }: DrawingProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { scale, map: colours } = colouring;
  useLayoutEffect(() => {
    if (canvas.current !== null) paintHeatmap(canvas.current, picture, colouring);
  }, [picture, colours, scale.kind, scale.decades, scale.limit, scale.low, scale.high, scale.absolute]);
  return (
    <canvas
      ref={canvas}
      class="heatmap"
      role="img"
      tabIndex={0}
      aria-label={panelLabel(panel, array)}
      style={{ width: `${size.width}px`, height: `${size.height}px` }}
      data-run={array.run}
      data-layer={array.layer}
      data-quantity={array.quantity}
      data-step={array.step}
      data-sample={array.sample ?? undefined}
      data-matrix={array.matrix ?? undefined}
      data-dtype={array.dtype}
      data-shape={array.full_shape.join("x")}
      data-scale={scale.kind}
      data-decades={scale.decades}
      data-limit={scale.limit}
      data-absolute={scale.absolute === true ? "true" : "false"}
      data-low={scale.low}
      data-high={scale.high}
      data-map={colours.name}
      data-reflected={picture.reflected ? "true" : "false"}
      data-stale={panel.stale ? "true" : "false"}
      onPointerMove={(event) => {
        onPointer(event, panel, picture);
      }}
      onPointerLeave={() => {
        pointAt(null);
      }}
      onKeyDown={(event) => {
        onKey(event, panel, picture);
      }}
    />
  );
}

/** What stands in a panel's place until there is something to draw. */
function Placeholder() {
  const ratio = window.devicePixelRatio;
  const room = panelPixels.value ?? { width: 0, height: 0 };
  return (
    <div class="placeholder" style={{ width: `${room.width / ratio}px`, height: `${room.height / ratio}px` }}>
      {problem.value === null ? "Loading\u2026" : "Not loaded"}
    </div>
  );
}

export function HeatmapPanel({ panel, step }: { panel: Panel; step: number | null }) {
  const { array } = panel;
  const picture = pictureOf(panel);
  // What a run does not have takes a line, not the room of a drawing.
  if (panel.missing !== null) return <p class="absent">{panel.missing}</p>;
  if (array === null || picture === null) {
    return (
      <figure class="panel">
        <Title panel={panel} array={array} step={step} />
        <Placeholder />
      </figure>
    );
  }
  const size = sizeOf(picture);
  const colouring = { scale: scaleOf(array), map: map.value };
  return (
    <figure class="panel">
      <Title panel={panel} array={array} step={step} />
      <div class="panel-body">
        <Axes run={panel.run} array={array} picture={picture} size={size}>
          <Drawing panel={panel} array={array} picture={picture} colouring={colouring} size={size} />
          <Crosshair picture={picture} size={size} panelKey={panel.key} />
        </Axes>
        {choices.value.shared ? null : <ColourBar colouring={colouring} height={Math.max(60, size.height)} />}
      </div>
    </figure>
  );
}
