import { describe, expect, it } from "vitest";
import { channelAt, channelsAt, placeOf } from "./places";

describe("places", () => {
  it("are the channels where nothing was put in order", () => {
    const plain = { channels: null, first_column: 10 };
    expect([channelAt(plain, 12), placeOf(plain, 12)]).toEqual([12, 12]);
  });

  it("hold the channels of the order, from where the region begins", () => {
    const ordered = { channels: [7, 0, 3], first_column: 10 };
    expect([10, 11, 12].map((place) => channelAt(ordered, place))).toEqual([7, 0, 3]);
    expect([7, 0, 3, 5].map((channel) => placeOf(ordered, channel))).toEqual([10, 11, 12, -1]);
    expect(channelsAt(ordered, [11, 12])).toEqual([0, 3]);
  });
});
