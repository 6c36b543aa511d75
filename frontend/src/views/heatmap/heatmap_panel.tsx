/** One drawing with its title, axes, crosshair and, when scales are not shared, a colour bar of its own. */

import { type ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Colouring, drawnPixels, paintHeatmap } from "../../drawing/heatmap";
import { type Picture } from "../../drawing/picture";
import { type LoadedArray, spansOf } from "../../state/arrays";
import { isOneBar, map, scaleOf } from "../../state/colours";
import { stepText } from "../../state/columns";
import { type Panel } from "../../state/panels";
import { problem } from "../../state/problems";
import { panelPixels } from "../../state/wanted";
import { matrixNumbers } from "../../take_away/panel_numbers";
import { panelWords } from "../../take_away/panel_words";
import { useTakeable } from "../../take_away/takeable";
import { Axes } from "./axes";
import { ChannelNormStrip, haveChannelNorms } from "./channel_norm_strip";
import { ColourBar } from "./colour_bar";
import { Crosshair } from "./crosshair";
import { type Rectangle, useGestures } from "./gestures";
import { type Drawn } from "./layout";
import { haveMarginals, type MarginalsProps, marginalStrips } from "./marginal_strip";
import { pictureOf, sightIn } from "./pictures";
import { nonFiniteText, panelLabel } from "./wording";

const largestCell = 20;

/** In device pixels, of so many rows and columns. */
function fitted(counts: readonly number[], room: Drawn, transposed: boolean, largest: number): Drawn {
  const [across, down] = transposed ? counts : [...counts].reverse();
  return { width: drawnPixels(across, room.width, largest), height: drawnPixels(down, room.height, largest) };
}

/** A drawing's size is that of what is in sight, whether or not all of its cells have come. */
function sizeOf(array: LoadedArray, { transposed }: Picture): Drawn {
  const ratio = window.devicePixelRatio;
  const room = panelPixels.value ?? { width: 0, height: 0 };
  const sight = sightIn(array);
  const whole = fitted(array.full_shape, room, transposed, Math.round(largestCell * ratio));
  const counts = sight === null ? null : [sight.rows, sight.columns].map(([a, b]) => b - a + 1);
  // A part of a sequence fills the room, however few cells it has; one of a matrix the whole's place among the others.
  const place = array.matrix === null ? room : whole;
  const drawn = counts === null ? whole : fitted(counts, place, transposed, Infinity);
  return { width: drawn.width / ratio, height: drawn.height / ratio };
}

/** The run and its step stand above its column; a panel tells its own step only where that is another. */
function Title({ panel, array, step }: { panel: Panel; array: LoadedArray | null; step: number | null }) {
  const badge = array === null ? "" : nonFiniteText(array);
  return (
    <div class="panel-title">
      <span class="quiet">
        {panel.item}
        {array === null || array.step === step ? "" : `, ${stepText(array)}`}
      </span>
      {badge === "" ? null : (
        <span class="badge" title="Cells of the whole array that are not finite numbers">
          {badge}
        </span>
      )}
    </div>
  );
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
  const { handlers, rectangle } = useGestures({ panel, array, picture });
  useLayoutEffect(() => {
    if (canvas.current !== null) paintHeatmap(canvas.current, picture, colouring);
  }, [picture, colours, scale.kind, scale.decades, scale.limit, scale.low, scale.high, scale.absolute, scale.range]);
  const { rowSpan, columnSpan } = spansOf(array);
  return (
    <>
      <canvas
        {...handlers}
        ref={canvas}
        class="heatmap"
        role="img"
        tabIndex={0}
        aria-label={panelLabel(panel, array)}
        style={{ width: `${size.width}px`, height: `${size.height}px` }}
        data-run={array.run}
        data-minus={panel.run.minus?.run}
        data-moment={panel.run.moment}
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
        data-range={scale.range === true ? "true" : "false"}
        data-reflected={picture.reflected ? "true" : "false"}
        data-order={array.order ?? undefined}
        data-fetched={[...rowSpan, ...columnSpan].join()}
        data-stale={panel.stale ? "true" : "false"}
      />
      <Selection rectangle={rectangle} />
    </>
  );
}

/** The rectangle that will be zoomed to. */
function Selection({ rectangle }: { rectangle: Rectangle | null }) {
  if (rectangle === null) return null;
  const { left, top, width, height } = rectangle;
  const style = { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` };
  return <i class="zoom-rectangle" style={style} aria-hidden="true" />;
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

interface TakeableFigureProps {
  panel: Panel;
  array: LoadedArray;
  children: ComponentChildren;
}

function TakeableFigure({ panel: { run, item }, array, children }: TakeableFigureProps) {
  const place = useTakeable<HTMLElement>(() => ({
    ...panelWords(run, array, item),
    numbers: () => matrixNumbers(run, array),
  }));
  return (
    <figure class="panel" ref={place}>
      {children}
    </figure>
  );
}

function stripsOf(beside: MarginalsProps) {
  if (haveMarginals.value) return marginalStrips(beside);
  return { top: haveChannelNorms.value ? <ChannelNormStrip {...beside} /> : null, right: null };
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
  if (picture.width * picture.height === 0) return <p class="absent">{panel.item} has nothing of what is in sight</p>;
  const size = sizeOf(array, picture);
  const colouring = { scale: scaleOf(panel, array), map: map.value };
  const strips = stripsOf({ panel, array, picture, size, ...colouring });
  return (
    <TakeableFigure panel={panel} array={array}>
      <Title panel={panel} array={array} step={step} />
      <div class="panel-body">
        <Axes run={panel.run} array={array} picture={picture} size={size} {...strips}>
          <Drawing panel={panel} array={array} picture={picture} colouring={colouring} size={size} />
          <Crosshair array={array} picture={picture} size={size} panelKey={panel.key} />
        </Axes>
        {isOneBar.value ? null : <ColourBar colouring={colouring} height={Math.max(60, size.height)} />}
      </div>
    </TakeableFigure>
  );
}
