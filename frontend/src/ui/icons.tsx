/** Drawn, not written: the fonts at hand may not have these signs. */

const shapes = {
  previous: "M15 5 L8 12 L15 19",
  next: "M9 5 L16 12 L9 19",
  play: "M8 5 L19 12 L8 19 Z",
  pause: "M8 5 V19 M16 5 V19",
  download: "M12 4 V15 M7 10 L12 15 L17 10 M5 19 H19",
};

export function Icon({ name }: { name: keyof typeof shapes }) {
  return (
    <svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true" class={`icon ${name}`}>
      <path d={shapes[name]} />
    </svg>
  );
}
