/** What a figure is drawn on: SVG elements, and how far they reach. */

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export function short(coordinate: number): number {
  return Math.round(coordinate * 100) / 100;
}

export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** The part that two boxes share; null where they have none. */
export function overlap(one: Box, other: Box): Box | null {
  const [left, top] = [Math.max(one.left, other.left), Math.max(one.top, other.top)];
  const [right, bottom] = [Math.min(one.right, other.right), Math.min(one.bottom, other.bottom)];
  return left < right && top < bottom ? { left, top, right, bottom } : null;
}

const mixing = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

/** A computed colour as every program that reads SVG knows it; "none" where nothing is to be seen of it. */
export function colourOf(computed: string): string {
  if (computed === "" || computed === "none") return "none";
  if (computed.startsWith("rgb(") || computed.startsWith("#")) return computed;
  if (mixing === null) return computed;
  // color-mix() and the like are computed to forms of newer standards: a pixel says what they come to.
  mixing.clearRect(0, 0, 1, 1);
  mixing.fillStyle = computed;
  mixing.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = mixing.getImageData(0, 0, 1, 1).data;
  if (alpha === 0) return "none";
  return alpha === 255 ? `rgb(${red}, ${green}, ${blue})` : `rgba(${red}, ${green}, ${blue}, ${short(alpha / 255)})`;
}

export class Paper {
  readonly elements: string[] = [];
  private reach: Box | null = null;
  private clips = 0;
  private shift = { x: 0, y: 0 };

  /** From here on what stands at one place of the page is drawn at another. */
  moveTo(x: number, y: number): void {
    this.shift = { x, y };
  }

  place({ left, top, right, bottom }: Box): Box {
    const { x, y } = this.shift;
    return { left: left + x, top: top + y, right: right + x, bottom: bottom + y };
  }

  /** An element that is already in the paper's own place, and the box on the page that it takes. */
  add(element: string, box: Box): void {
    this.elements.push(element);
    const { left, top, right, bottom } = this.place(box);
    const { reach } = this;
    this.reach =
      reach === null
        ? { left, top, right, bottom }
        : {
            left: Math.min(reach.left, left),
            top: Math.min(reach.top, top),
            right: Math.max(reach.right, right),
            bottom: Math.max(reach.bottom, bottom),
          };
  }

  nextClip(): string {
    this.clips += 1;
    return `clip${this.clips}`;
  }

  get box(): Box {
    return this.reach ?? { left: 0, top: 0, right: 1, bottom: 1 };
  }
}

/** The element, cut off at the edges of what is seen of it. */
export function clipped(element: string, whole: Box, seen: Box, paper: Paper): string {
  const tolerance = 0.5;
  const isWhole =
    seen.left - whole.left < tolerance &&
    whole.right - seen.right < tolerance &&
    seen.top - whole.top < tolerance &&
    whole.bottom - seen.bottom < tolerance;
  if (isWhole) return element;
  const id = paper.nextClip();
  const { left, top, right, bottom } = paper.place(seen);
  const edges = `x="${short(left)}" y="${short(top)}" width="${short(right - left)}" height="${short(bottom - top)}"`;
  return `<clipPath id="${id}"><rect ${edges}/></clipPath><g clip-path="url(#${id})">${element}</g>`;
}
