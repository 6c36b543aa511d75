/** The canvas of a panel. Its data attributes say what is drawn and between which ends, to the last digit. */

import { type CanvasHTMLAttributes } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Curve, paintCurves, type Plane } from "../../drawing/curves";
import { zeroColour } from "../../drawing/line_colours";
import { forgetPainting, paintSoon } from "../../drawing/paint_queue";
import { type ValueAxis } from "../../drawing/value_axis";
import { curvesAsSvg, drawnAs } from "../../drawing/vector";
import { choices } from "../../state/choices";
import { dark } from "../../state/host";
import { inset } from "./axes";
import { curveTable } from "./curve_table";
import { type CurvePanel, fewLines, type Line, nonFiniteOf } from "./scene";
import { panelLabel } from "./wording";

export interface Size {
  width: number;
  height: number;
}

/** The plane of a panel between two timesteps; sizes are CSS pixels, and become the device's. */
export function planeOf(axis: ValueAxis, [first, last]: readonly [number, number], { width, height }: Size): Plane {
  const ratio = window.devicePixelRatio;
  return {
    first,
    last,
    axis,
    width: Math.round(width * ratio),
    height: Math.round(height * ratio),
    inset: inset * ratio,
  };
}

/** All the timesteps of a panel's arrays. */
export function wholeRange({ lines }: CurvePanel): readonly [number, number] {
  return [0, Math.max(0, ...lines.map(({ array }) => array.full_shape[0] - 1))];
}

function curveOf({ array, column, colour, opacity }: Line): Curve {
  return { values: curveTable(array).curves[column], block: array.row_block, colour, opacity };
}

/** What changes when a plane does. */
function planeKey(plane: Plane): string {
  return JSON.stringify(plane);
}

interface LinesProps {
  lines: readonly Line[];
  plane: Plane;
  size: Size;
  lineWidth: number;
  zero: boolean;
}

/** What beginning a line costs, in points. */
const pointsPerLine = 20;

function pointsOf(lines: readonly Line[], { width }: Plane): number {
  return lines.reduce((sum, { array }) => sum + pointsPerLine + Math.min(array.shape[0], 4 * width), 0);
}

/** Wider lines are joined at a cost that many of them in one place do not repay. */
function widthOf(lines: readonly Line[], lineWidth: number): number {
  return lines.length > fewLines ? 1 : lineWidth * window.devicePixelRatio;
}

function usePainted({ lines, plane, lineWidth, zero }: Omit<LinesProps, "size">) {
  const place = useRef<HTMLCanvasElement>(null);
  const zeroLine = zero ? zeroColour(dark.value) : null;
  useLayoutEffect(() => {
    const canvas = place.current;
    if (canvas === null) return;
    canvas.dataset.painted = "false";
    paintSoon(canvas, pointsOf(lines, plane), () => {
      const look = { lineWidth: widthOf(lines, lineWidth), zero: zeroLine };
      paintCurves(canvas, lines.map(curveOf), plane, look);
      drawnAs(canvas, () => curvesAsSvg(lines.map(curveOf), plane, look));
      canvas.dataset.painted = "true";
    });
    return () => {
      forgetPainting(canvas);
    };
  }, [lines, planeKey(plane), lineWidth, zeroLine]);
  return place;
}

/** Curves laid over others: those that are pointed at. */
export function Emphasis({ lines, plane, size, lineWidth }: Omit<LinesProps, "zero">) {
  const canvas = usePainted({ lines, plane, lineWidth, zero: false });
  return (
    <canvas
      ref={canvas}
      class="emphasis"
      aria-hidden="true"
      style={{ width: `${size.width}px`, height: `${size.height}px` }}
    />
  );
}

interface CurveCanvasProps extends CanvasHTMLAttributes {
  panel: CurvePanel;
  plane: Plane;
  size: Size;
  lineWidth: number;
}

export function CurveCanvas({ panel, plane, size, lineWidth, ...rest }: CurveCanvasProps) {
  const canvas = usePainted({ lines: panel.lines, plane, lineWidth, zero: choices.value.zero });
  const [{ array }] = panel.lines;
  const { scale, bottom, top } = plane.axis;
  const { nan, inf } = nonFiniteOf(panel.lines);
  return (
    <canvas
      {...rest}
      ref={canvas}
      role="img"
      aria-label={panelLabel(panel)}
      style={{ width: `${size.width}px`, height: `${size.height}px` }}
      data-run={panel.run.run}
      data-minus={panel.run.minus?.run}
      data-moment={panel.run.moment}
      data-item={panel.item}
      data-layer={array.layer}
      data-quantity={array.quantity}
      data-step={array.step}
      data-dtype={array.dtype}
      data-lines={panel.lines.length}
      data-first={plane.first}
      data-last={plane.last}
      data-scale={scale.kind}
      data-decades={scale.decades}
      data-limit={scale.limit}
      data-bottom={bottom}
      data-top={top}
      data-nan={nan}
      data-inf={inf}
      data-stale={panel.stale ? "true" : "false"}
    />
  );
}
