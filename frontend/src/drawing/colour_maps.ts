/**
 * Colour maps as 256 colours each, in the byte order of ImageData (little-endian 0xAABBGGRR).
 *
 * vik and berlin are Fabio Crameri's scientific colour maps (https://www.fabiocrameri.ch/colourmaps, MIT license,
 * Copyright (c) 2020 Fabio Crameri). cividis is by Nuñez, Anderton and Renslow, as matplotlib distributes it (CC0).
 * grey is matplotlib's gray. RdBu runs through ColorBrewer's eleven colours, blue below zero and red above, like matplotlib's RdBu_r.
 */

export const colourMapNames = ["vik", "berlin", "RdBu", "bwr", "cividis", "grey"] as const;
export type ColourMapName = (typeof colourMapNames)[number];

/** Each map as 256 × (red, green, blue) bytes in base64. */
const tables = {
  vik: "ABJhARRiARVjARdkARhlARpmAhxnAh1oAh9pAiBqAiJrAiNsAiVtAiduAihvAipwAitxAi1yAi5zAjB0AjF1AjN2AjR3AjZ4Ajd5Ajl6Ajp7Azx8Az59Az9+A0F/A0KAA0SBA0WCA0eDA0mEA0qFBEyGBE2HBE+IBVGJBVKKBlSLBlaMB1eNCFmPCVuQC12RDF6SDmCTEGKUEWSWE2aXFWeYF2mZGWuaHG2cHm+dIHGeI3OgJXWhKHeiK3mkLXulMH2mM3+oNoGpOYOrPIWsP4etQomvRYuwSI2yS5CzTpK0UZS2VJa3V5i5Wpq6XZy7YZ69ZKC+Z6LAaqTBbabCcajEdKrFd6zGeq7IfbDJgLLKhLTMh7bNirjOjbrQkLzRlL7Sl8DUmsLVncTWoMXYo8fZp8naqsvcrc3dsM/es9HfttPhutXivdbjwNjkw9rlxtvmyd3nzN/oz+Do0uHp1ePp2OTp2+Xp3ubp4Obp4ufo5efo5+fn6Ofl6ubk6+bi7OXg7eTe7uPc7uHa7uDY7t7V7t3T7tvQ7tnN7dfL7dXI7NPF7NHD69DA6s696cy66cq46Mi158ay5sSw5cGt5L+q5L6o47yl4rqi4big4Lad37Sa37KY3rCV3a6T3KyQ26qN26iL2qaI2aSG2KKD16CB1p9+1p181Zt51Jl305d005Vy0pRw0ZJt0JBrz45oz4xmzotkzYlhzIdfzIVdy4NayoJYyYBWyX5TyHxRx3tPxnlMxndKxXVIxHRFw3JDwnBBwm4/wW08wGs6v2k4vmc2vmUzvWQxvGIvu2Atul4quFwot1omtlgktVUhs1MfslEdsE8br0wYrUoWq0gUqUUSp0MQpUAPoz4NoTwLnzkKnDcJmjUImDMHljEHlC8GkS0GjysGjSkGiycGiSYGhyQGhSIGgyEGgR8Gfx4Gfh0GfBsGehoGeBgGdhcGdBUGcxQGcRMHbxEHbRAHbA4Hag0HaAwHZwoHZQkHYwcHYgYHYAQIXgMIXQIIWwEIWQAI",
  berlin:
    "nrD/nLD+mrD9mK/8la/7k6/6ka75jq73jK72iq71h630ha3zgq3ygKzxfqzwe6zueavtdqvsdKrrcarpb6nobKnmaqjlZ6jjZafiYqbgYKXfXaXdW6TbWKPZVqLXVKDVUZ/TT57RTZ3PS5vNSJrKRpjIRJfGQ5XDQZTBP5K+PpC8PI65O423OYu0OImyN4evNoWtNYSqM4KoMoCmMn6jMXyhMHqeL3icLnaZLXWXLHOULHGSK2+PKm2NKWuLKWmIKGiGJ2aDJ2SBJmJ/JWB8JF56JF14I1t1IllzIldxIVVuIFRsIFJqH1BoHk5lHk1jHUthHElfHEdcG0ZaGkRYGkJWGUFTGT9RGD1PFzxNFzpLFjhJFjdHFTVEFTNCFDJAFDA+Ey88Ey06Eiw4Eio2Eik0EScyESYwESQuESMsESEqESAoEB8mEB0lEBwjERshERogERkeERgcERYbERUZERQYERMXEhIVEhIUExESFBARFA8QFQ4OFg4NFw0LGAwKGQwJGgwIGwsHHAsGHQsFHgsEIAsEIQsDIgwCIwwCJAwCJQwBJg0BJw0BKA0BKg4BKw4BLA4ALQ4ALw4AMA8AMQ8AMw8ANA8ANRAANxAAOBAAOREAOxEAPBEBPhIBPxIBQRIBQhMBRBMBRRQBRxQBSBUCShUCSxYCTRYCTxcDUBgDUhgEVBkFVhoFVxsGWRwHWx0IXR4JXx8KYSALYyEMZSMOaCQPaiUQbCcRbigTcCoUcysWdS0Xdy8ZeTAbezIcfTQegDYggjcihDkkhjsmiD0oij8qjEAsjkIukEQwkkYylEg0lko2mEw5mk07nE89nlE/oFNBolVEpFdGpllIqFpKqlxMrF5PrmBRsGJTsmRVtGZYtmhauGpcumtfvG1hvm9jwHFlwnNoxHVqxndsyHlvyntxzH1zzn920IF40oN61YV914d/2YmC24uE3Y2G34+J4ZGL45OO5ZWQ55eS6pmV7JuX7p2a8J+c8qGf9KOh9qWj+aem+6mo/aur/62t",
  cividis:
    "ACJOACNPACRRACVTACVUACZWACdYAChZAChbACldACpfACphACtiACxkACxmAC1oAC5qAC5sAC9tADBvADBwADFwADFxATJxBTNxCDNwDDRwDzVwEjVwFDZwFjdwGDdvGjhvHDlvHjpvIDpvITtuIzxuJDxuJj1uJz5uKT9uKj9tK0BtLUFtLkFtL0JtMUNtMkNtM0RtNEVsNUVsNkZsOEdsOUhsOkhsO0lsPEpsPUpsPktsP0xsQExsQU1sQk5sQ05sRE9sRVBsRlFsR1FsSFJsSVNsSlNsS1RsTFVsTVVsTlZsT1dsUFdsUVhtUlltU1ptVFptVVttVVxtVlxtV11tWF5tWV5uWl9uW2BuXGFuXWFuXmJuXmNvX2NvYGRvYWVvYmVvY2ZwZGdwZWhwZWhwZmlwZ2pxaGpxaWtxamxxa21ybG1ybG5ybW9ybm9zb3BzcHFzcXJ0cnJ0cnN0c3R1dHR1dXV1dnZ2d3d2d3d3eHh3eXl3enp4e3p4fHt4fXx4fnx4fn14f354gH94gX94goB5g4F5hIJ5hYJ5hoN5h4R4iIV4iYV4ioZ4i4d4jIh4jYh4jol4j4p4kIt4kYt4kox4ko14k454lI53lY93lpB3l5F3mJJ3mZJ3mpN2m5R2nJV2nZV2npZ2n5d1oJh1oZl1opl1o5p0pJt0pZx0ppx0p51zqJ5zqZ9zqqBzq6ByrKFyraJyrqNxr6RxsKVxsaVws6ZwtKdvtahvtqlvt6luuKpuuattuqxtu61tvK5sva5svq9rv7BrwLFqwbJqwrNpw7NpxLRoxbVoxrZnx7dnyLhmyblly7llzLpkzbtjzrxjz71i0L5i0b9h0sBg08Bf1MFf1cJe1sNd18Rc2cVc2sZb28da3MhZ3chY3slY38pX4MtW4cxV4s1U5M5T5c9S5tBR59FQ6NJP6dNO6tNM69RL7dVK7tZJ79dI8NhG8dlF8tpE89tC9dxB9t0/994++N88+eA6++E4/OI2/eM0/uQ0/uU1/uY2/ug4",
};

/** Maps that are straight lines between few colours. */
const controlColours = {
  RdBu: "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f",
  bwr: "0000ff ffffff ff0000",
  grey: "000000 ffffff",
};

/** What is drawn for cells that have no place on the map. A badge counts them too: never by colour alone. */
export interface SpecialColours {
  nan: string;
  positiveInfinity: string;
  negativeInfinity: string;
}

const onDiverging: SpecialColours = { nan: "#00ff00", positiveInfinity: "#ff00ff", negativeInfinity: "#ffff00" };
const onSequential: SpecialColours = { nan: "#ff00ff", positiveInfinity: "#ff0000", negativeInfinity: "#00ffff" };

export interface ColourMap {
  /** Unlike that of any other. */
  name: string;
  diverging: boolean;
  colours: Uint32Array;
  special: SpecialColours;
}

function packed(red: number, green: number, blue: number): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** "#rrggbb" as an ImageData word. */
export function packedHex(hex: string): number {
  const number = parseInt(hex.replace("#", ""), 16);
  return packed((number >> 16) & 255, (number >> 8) & 255, number & 255);
}

/** An ImageData word as "#rrggbb". */
export function hexOf(word: number): string {
  const part = (shift: number) => ((word >> shift) & 255).toString(16).padStart(2, "0");
  return `#${part(0)}${part(8)}${part(16)}`;
}

function fromTable(base64: string): Uint32Array {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return Uint32Array.from({ length: 256 }, (_, i) => packed(bytes[3 * i], bytes[3 * i + 1], bytes[3 * i + 2]));
}

function throughControls(text: string): Uint32Array {
  const controls = text.split(" ").map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (controls.length - 1);
    const left = Math.min(Math.floor(place), controls.length - 2);
    const mix = (part: number) =>
      Math.round(controls[left][part] + (place - left) * (controls[left + 1][part] - controls[left][part]));
    return packed(mix(0), mix(1), mix(2));
  });
}

const built = new Map<string, ColourMap>();

/** Where the blue half of a map begins: nearer to the middle it is not yet blue. */
const fadesFrom = 122;

/** The blue half of a diverging map, the darkest or lightest last: for magnitudes that fade into the background. */
export function fadingMap(whole: "vik" | "berlin"): ColourMap {
  const name = `${whole}, blue half`;
  let map = built.get(name);
  if (map === undefined) {
    const { colours } = colourMap(whole);
    const half = Uint32Array.from({ length: 256 }, (_, i) => colours[fadesFrom - Math.round((i * fadesFrom) / 255)]);
    map = { name, diverging: false, colours: half, special: onSequential };
    built.set(name, map);
  }
  return map;
}

export function colourMap(name: ColourMapName): ColourMap {
  let map = built.get(name);
  if (map === undefined) {
    const diverging = name !== "cividis" && name !== "grey";
    const colours =
      name in tables
        ? fromTable(tables[name as keyof typeof tables])
        : throughControls(controlColours[name as keyof typeof controlColours]);
    map = { name, diverging, colours, special: diverging ? onDiverging : onSequential };
    built.set(name, map);
  }
  return map;
}
