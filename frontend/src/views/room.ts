/** The room that a view has. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** In CSS pixels. */
export interface Room {
  width: number;
  height: number;
}

/** The room of the view, followed as the window changes. */
export function useRoom(): { place: { current: HTMLDivElement | null }; room: Room } {
  const place = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState<Room>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    const measure = () => {
      // A hidden tab has no size: keep the last.
      if (element.clientWidth > 0) setRoom({ width: element.clientWidth, height: element.clientHeight });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);
  return { place, room };
}
