/** The channels that are pinned to Curves: those that Curves is told to show. */

import { computed } from "@preact/signals";
import { indicesText } from "../../drawing/number_text";
import { choices, choose } from "../../state/choices";
import { largestSize } from "../../state/region";
import { findChannels } from "../curves/channel_search";

/** Ascending; none where Curves shows all channels. */
export const pinnedChannels = computed<number[]>(() => {
  const { channels } = choices.value;
  const count = largestSize.value?.columns ?? 0;
  return channels.trim() === "" ? [] : findChannels(channels, count).channels;
});

function pin(channels: readonly number[]): void {
  choose({ channels: indicesText(channels).replaceAll("\u2013", "-") });
}

/** Pins channels, or takes them off where all of them are pinned already. */
export function togglePins(channels: readonly number[]): void {
  const now = new Set(pinnedChannels.peek());
  const areAll = channels.every((channel) => now.has(channel));
  for (const channel of channels) {
    if (areAll) now.delete(channel);
    else now.add(channel);
  }
  pin([...now]);
}

export function unpinAll(): void {
  pin([]);
}
