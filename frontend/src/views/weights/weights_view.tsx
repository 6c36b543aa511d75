/** The matrices themselves, and how large each gate of them has been at every step. */

import { useLayoutEffect } from "preact/hooks";
import { quantity } from "../../state/catalogue";
import { choices } from "../../state/choices";
import { quantityPhrase } from "../../state/names";
import { isOneBar, map, sharedScale } from "../../state/colours";
import { panels, scaleKind } from "../../state/panels";
import { wishStatistics } from "../../state/statistics";
import { setPanelPixels } from "../../state/wanted";
import { AbsentRuns, Caption } from "../caption";
import { ColourBar } from "../heatmap/colour_bar";
import { SpecialLegend } from "../heatmap/heatmap_view";
import { limitsText, scaleText } from "../heatmap/scale_text";
import { type Room, useRoom } from "../room";
import { layOut, type WeightsLayout } from "./layout";
import { Matrices } from "./matrices";
import { Norms } from "./norms";
import { WeightsReadout } from "./readout";
import { drawnNorm, matrixBlocks, matrixOf, wantedFor } from "./scene";

const gutters = { padding: 44, left: 34, ownBar: 86, sharedBar: 96, legend: 66 };

function useLayout(room: Room): WeightsLayout {
  const shared = isOneBar.value;
  // A bias goes below; the others stand beside each other, two at most.
  const tall = matrixBlocks.value.map(({ panels: of }) => of.filter((panel) => matrixOf(panel) !== "bias").length);
  const layout = layOut(room, matrixBlocks.value.length, Math.max(1, Math.min(2, Math.max(0, ...tall))), {
    beside: gutters.left + (shared ? 0 : gutters.ownBar),
    bar: gutters.padding + (shared ? gutters.sharedBar : gutters.legend),
  });
  useLayoutEffect(() => {
    const ratio = window.devicePixelRatio;
    if (room.width === 0) return;
    setPanelPixels({ width: Math.floor(layout.width * ratio), height: Math.floor(layout.height * ratio) });
  }, [layout.width, layout.height, room.width]);
  return layout;
}

function WeightsCaption() {
  const { decades, limits, absolute } = choices.value;
  return (
    <Caption>
      Inputs (down) by gates and units (right). {limitsText(limits, "matrix")}:{" "}
      {scaleText(limits === "unit" ? "linear" : scaleKind.value, decades, absolute)}.
    </Caption>
  );
}

export function WeightsView() {
  const { place, room } = useRoom();
  const layout = useLayout(room);
  const norm = drawnNorm.value;
  useLayoutEffect(() => {
    wishStatistics(wantedFor(norm));
    return () => {
      wishStatistics(null);
    };
  }, [norm]);
  const name = quantity.value?.quantity;
  return (
    <div class="view weights-view" ref={place}>
      {name === undefined ? (
        <p class="caption">
          No weights were recorded of this layer: it has none, or what wrote the run left them out of its quantities.
        </p>
      ) : (
        <WeightsCaption />
      )}
      {name === undefined ? null : <AbsentRuns />}
      <div class="grid-and-bar">
        <Matrices layout={layout} />
        <div class="beside-grid">
          {isOneBar.value && panels.value.some(({ array }) => array !== null) ? (
            <ColourBar colouring={{ scale: sharedScale.value, map: map.value }} height={Math.min(280, layout.height)} />
          ) : null}
          <SpecialLegend />
        </div>
      </div>
      {name === undefined ? null : <Norms what={quantityPhrase(name)} />}
      <WeightsReadout />
    </div>
  );
}
