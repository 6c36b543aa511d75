/**
 * What the pointer, the wheel and the keys do in a drawing.
 *
 * A plain wheel scrolls the page, as everywhere; with Ctrl or ⌘ held, which is what a pinch on a touchpad sends too, it
 * zooms. A drag draws the rectangle that is zoomed to, as in Curves; with Shift held it moves what is in sight.
 */

import { useRef, useState } from "preact/hooks";
import { cellAt, isTurned, partAt, type Picture, type Sight, sightOf } from "../../drawing/picture";
import { mirrored } from "../../drawing/cell_array";
import { type LoadedArray } from "../../state/arrays";
import { type Panel } from "../../state/panels";
import { pointAt, pointed } from "../../state/pointing";
import { moveTo, panBy, regionOf, showWhole, zoomBy, zoomTo } from "../../state/region";
import { togglePins } from "./pinned";
import { sightIn } from "./pictures";
import { cellAtPixel, channelsAt, pixelOfCell } from "./places";

interface Pixel {
  x: number;
  y: number;
}

export interface Drawn {
  panel: Panel;
  array: LoadedArray;
  picture: Picture;
}

/** The picture's pixel under the pointer; the nearest where it is outside. */
function pixelUnder(event: MouseEvent, { picture }: Drawn): Pixel {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const along = (share: number, count: number) => Math.max(0, Math.min(count - 1, Math.floor(share * count)));
  return {
    x: along((event.clientX - box.left) / box.width, picture.width),
    y: along((event.clientY - box.top) / box.height, picture.height),
  };
}

function isInside(event: MouseEvent): boolean {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const { clientX: x, clientY: y } = event;
  return x >= box.left && y >= box.top && x < box.right && y < box.bottom;
}

function pointAtPixel({ panel, array, picture }: Drawn, { x, y }: Pixel): void {
  pointAt({ key: panel.key, ...cellAtPixel(array, picture, x, y) });
}

/** The places of a pixel's first cell. */
function placeAt({ picture }: Drawn, { x, y }: Pixel): { row: number; column: number } {
  const { rows, columns } = sightOf(picture, { x, y }, { x, y });
  return { row: (rows[0] + rows[1]) / 2, column: (columns[0] + columns[1]) / 2 };
}

function pinAt({ array, picture }: Drawn, { x, y }: Pixel): void {
  if (array.matrix === null) togglePins(channelsAt(array, cellAt(picture, x, y).columns));
}

function pointedPixel({ array, picture }: Drawn): Pixel | null {
  const cell = pointed.peek();
  return cell === null ? null : pixelOfCell(array, picture, cell.row, cell.column);
}

const arrows: Partial<Record<string, Pixel>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/** Moves what is in sight by a share of it. */
function panByShare({ array, picture }: Drawn, { x, y }: Pixel, share: number): void {
  const sight = sightIn(array);
  if (sight === null) return;
  const [rows, columns] = picture.transposed ? [x, y] : [y, x];
  const step = ([first, last]: readonly [number, number]) => Math.max(1, Math.round((last - first + 1) * share));
  panBy(array.matrix, rows * step(sight.rows), columns * step(sight.columns));
}

/** The cell beside one at the edge; null at the end of the array. */
function nextCell({ array, picture }: Drawn, from: Pixel, move: Pixel): { row: number; column: number } | null {
  const part = partAt(picture, picture.transposed ? from.y : from.x);
  if (part === undefined) return null;
  const { rows, columns } = cellAt(picture, from.x, from.y);
  const [along, across] = picture.transposed ? [move.x, move.y] : [move.y, move.x];
  const turned = isTurned(picture, part) ? mirrored(rows, picture.fullRows) : rows;
  const place = along > 0 ? turned[1] + 1 : turned[0] + along;
  const column = across > 0 ? columns[1] + 1 : columns[0] + across;
  const [count, channels] = array.full_shape;
  if (place < 0 || place >= count || column < 0 || column >= channels) return null;
  const [channel] = channelsAt(array, [column, column]);
  return { row: isTurned(picture, part) ? count - 1 - place : place, column: channel };
}

function moveCell(drawn: Drawn, move: Pixel): void {
  const { picture, array } = drawn;
  const from = pointedPixel(drawn);
  if (from === null) {
    pointAtPixel(drawn, { x: 0, y: 0 });
    return;
  }
  const to = { x: from.x + move.x, y: from.y + move.y };
  const inside = to.x >= 0 && to.y >= 0 && to.x < picture.width && to.y < picture.height;
  if (inside) pointAtPixel(drawn, to);
  // At the edge of what is in sight it goes on: the region moves, and the cell that comes into sight is pointed at.
  else if (sightIn(array) !== null) {
    const cell = nextCell(drawn, from, move);
    panByShare(drawn, move, 0);
    if (cell !== null) pointAt({ key: drawn.panel.key, ...cell });
  }
}

function zoomByKey(drawn: Drawn, times: number): void {
  const pixel = pointedPixel(drawn);
  zoomBy(drawn.array.matrix, times, pixel === null ? undefined : placeAt(drawn, pixel));
}

/** Arrow keys move the cell here; elsewhere they move the step. */
function onKey(event: KeyboardEvent, drawn: Drawn): void {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const move = arrows[event.key];
  const { matrix } = drawn.array;
  if (move !== undefined && event.shiftKey) panByShare(drawn, move, 0.25);
  else if (move !== undefined) moveCell(drawn, move);
  else if (event.key === "+" || event.key === "=") zoomByKey(drawn, 0.5);
  else if (event.key === "-") zoomByKey(drawn, 2);
  else if (event.key === "0") showWhole(matrix);
  else if (matrix === null && event.key === "Enter") {
    const pixel = pointedPixel(drawn);
    if (pixel !== null) pinAt(drawn, pixel);
  } else {
    if (event.key === "Escape") pointAt(null);
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}

/** How much a wheel's turn zooms: a notch of a hundred pixels is a fifth. */
const perWheelPixel = 0.002;

function onWheel(event: WheelEvent, drawn: Drawn): void {
  if (!(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  zoomBy(drawn.array.matrix, Math.exp(event.deltaY * perWheelPixel), placeAt(drawn, pixelUnder(event, drawn)));
}

interface Drag {
  pans: boolean;
  from: { clientX: number; clientY: number };
  pixel: Pixel;
  /** What was in sight when it began. */
  sight: Sight | null;
  moved: boolean;
}

/** Shorter is a click. In CSS pixels. */
const shortestDrag = 4;

function pan(event: PointerEvent, { array, picture }: Drawn, drag: Drag): void {
  const { sight, from } = drag;
  if (sight === null || regionOf(array.matrix) === null) return;
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const shares = [(from.clientX - event.clientX) / box.width, (from.clientY - event.clientY) / box.height];
  const [along, across] = picture.transposed ? shares : shares.reverse();
  const [fullRows, fullColumns] = array.full_shape;
  const shift = ([first, last]: readonly [number, number], share: number, count: number) => {
    const wished = Math.round(share * (last - first + 1));
    const by = Math.max(-first, Math.min(count - 1 - last, wished));
    return [first + by, last + by] as const;
  };
  moveTo(array.matrix, {
    rows: shift(sight.rows, along, fullRows),
    columns: shift(sight.columns, across, fullColumns),
  });
}

export interface Rectangle {
  left: number;
  top: number;
  width: number;
  height: number;
}

function rectangleOf(event: PointerEvent, { from }: Drag): Rectangle {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const within = (value: number, most: number) => Math.max(0, Math.min(most, value));
  const x = [from.clientX, event.clientX].map((at) => within(at - box.left, box.width)).sort((a, b) => a - b);
  const y = [from.clientY, event.clientY].map((at) => within(at - box.top, box.height)).sort((a, b) => a - b);
  return { left: x[0], top: y[0], width: x[1] - x[0], height: y[1] - y[0] };
}

/** The handlers of a drawing, and the rectangle that is being drawn in it. */
export function useGestures(drawn: Drawn) {
  const drag = useRef<Drag | null>(null);
  const [rectangle, setRectangle] = useState<Rectangle | null>(null);
  const end = () => {
    drag.current = null;
    setRectangle(null);
  };
  const handlers = {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0 || !(event.currentTarget instanceof Element)) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      const { clientX, clientY } = event;
      const pixel = pixelUnder(event, drawn);
      const sight = sightIn(drawn.array);
      drag.current = { pans: event.shiftKey, from: { clientX, clientY }, pixel, sight, moved: false };
    },
    onPointerMove: (event: PointerEvent) => {
      const now = drag.current;
      if (now === null) {
        if (isInside(event)) pointAtPixel(drawn, pixelUnder(event, drawn));
        return;
      }
      const { clientX, clientY } = now.from;
      now.moved ||= Math.hypot(event.clientX - clientX, event.clientY - clientY) >= shortestDrag;
      if (!now.moved) return;
      if (now.pans) pan(event, drawn, now);
      else setRectangle(rectangleOf(event, now));
    },
    onPointerUp: (event: PointerEvent) => {
      const now = drag.current;
      end();
      if (now === null) return;
      if (!now.moved) pinAt(drawn, now.pixel);
      else if (!now.pans) zoomTo(drawn.array.matrix, sightOf(drawn.picture, now.pixel, pixelUnder(event, drawn)));
    },
    onPointerCancel: end,
    onPointerLeave: () => {
      if (drag.current === null) pointAt(null);
    },
    onWheel: (event: WheelEvent) => {
      onWheel(event, drawn);
    },
    onKeyDown: (event: KeyboardEvent) => {
      onKey(event, drawn);
    },
  };
  return { handlers, rectangle };
}
