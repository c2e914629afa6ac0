// Meridian without the layers of its default stack: no retry, no outlier detection, no deadline.
import { echoSystem } from "./meridian/echo.ts";

export const { serve, connect } = echoSystem({ retry: false, outliers: false, stack: () => ({}) });
