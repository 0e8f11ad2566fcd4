/*
 * Segment the nuclei of the image that is open in QuPath with napari-unet-nuclei, and add them as detections, or as
 * cells where CELL is given, with their measurements. Written for QuPath 0.5 and 0.6: Automate > Script editor > Open,
 * then Run. With an annotation selected, only its bounding box is segmented.
 */

// The program, with its full path where it is not on the search path.
def PROGRAM = System.getProperty("napari-unet-nuclei", "napari-unet-nuclei")
// "automatic", "bright" (nuclei on dark) or "dark" (nuclei on bright: H&E, IHC).
def KIND = "automatic"
// The channel with the nuclei, by its name or its number from 0; empty if the program is to find it.
def CHANNEL = System.getProperty("napari-unet-nuclei.channel", "")
// Grow nuclei by this distance into cells, for instance "5um"; empty for none.
def CELL = System.getProperty("napari-unet-nuclei.cell", "")

def uris = getCurrentServer().getURIs()
if (uris.size() != 1 || uris[0].scheme != "file")
    throw new IllegalStateException("The image must be one file on this computer; it is: " + uris)
def image = new File(uris[0])
def out = java.nio.file.Files.createTempDirectory("napari-unet-nuclei").toFile()

def command = [PROGRAM, "segment", image.path, "--out", out.path, "--kind", KIND, "--geojson", "--quiet"]
if (CHANNEL)
    command += ["--channel", CHANNEL]
if (CELL)
    command += ["--cell", CELL]
def parent = getSelectedObject()
def roi = parent?.isAnnotation() ? parent.getROI() : null
if (roi) {
    def (x0, y0) = [Math.max(0, Math.floor(roi.boundsX) as int), Math.max(0, Math.floor(roi.boundsY) as int)]
    def x1 = Math.min(getCurrentServer().width, Math.ceil(roi.boundsX + roi.boundsWidth) as int)
    def y1 = Math.min(getCurrentServer().height, Math.ceil(roi.boundsY + roi.boundsHeight) as int)
    command += ["--region", "${y0}:${y1},${x0}:${x1}" as String]
}

println "Running " + command.join(" ")
def process = new ProcessBuilder(command).redirectErrorStream(true).start()
def said = process.inputStream.text
def code = process.waitFor()
def results = out.listFiles().findAll { it.name.endsWith(".geojson") }
if (code != 0 || !results)
    throw new IllegalStateException("The nuclei were not segmented (exit code ${code}):\n${said}")
results.each { importObjectsFromFile(it.path) }
println "Added the nuclei of " + image.name
