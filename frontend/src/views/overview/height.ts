/** The height of an element, followed as what is in it changes. */

import { useCallback, useRef, useState } from "preact/hooks";

export function useHeight(): { place: (element: HTMLElement | null) => void; height: number } {
  const [height, setHeight] = useState(0);
  const observer = useRef<ResizeObserver | null>(null);
  const place = useCallback((element: HTMLElement | null) => {
    observer.current?.disconnect();
    observer.current = null;
    if (element === null) return;
    const measure = () => {
      // A hidden tab has no size: keep the last.
      if (element.clientWidth > 0) setHeight(element.offsetHeight);
    };
    measure();
    observer.current = new ResizeObserver(measure);
    observer.current.observe(element);
  }, []);
  return { place, height };
}
