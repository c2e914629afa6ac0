// Meridian as its users get it: every default on.
import { echoSystem } from "./meridian/echo.ts";

export const { serve, connect } = echoSystem({});
