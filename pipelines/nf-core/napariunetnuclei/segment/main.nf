process NAPARIUNETNUCLEI_SEGMENT {
    tag "$meta.id"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "napari-unet-nuclei"

    input:
    tuple val(meta), path(image)
    path(model)

    output:
    tuple val(meta), path("${prefix}/*_labels.{tif,ome.tif,ome.zarr}"), emit: labels
    tuple val(meta), path("${prefix}/*_table.csv")                    , emit: tables
    tuple val(meta), path("${prefix}/nuclei.csv")                     , emit: nuclei
    tuple val(meta), path("${prefix}/summary.csv")                    , emit: summary
    tuple val(meta), path("${prefix}/run.json")                       , emit: run
    tuple val(meta), path("${prefix}/report.html")                    , emit: report
    tuple val(meta), path("${prefix}/*_nuclei.geojson")               , emit: geojson, optional: true
    tuple val(meta), path("${prefix}/*_rois.zip")                     , emit: rois   , optional: true
    tuple val(meta), path("${prefix}/nuclei.h5ad")                    , emit: h5ad   , optional: true
    path "versions.yml"                                               , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    def with_model = model ? "--model $model" : ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    export OMP_NUM_THREADS=${task.cpus}
    napari-unet-nuclei segment \\
        $image \\
        --out '${prefix}' \\
        --quiet \\
        $with_model \\
        $args

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        napari-unet-nuclei: \$(napari-unet-nuclei --version | sed 's/napari-unet-nuclei //')
    END_VERSIONS
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir '${prefix}'
    cd '${prefix}'
    touch '${image.baseName}_labels.tif' '${image.baseName}_table.csv' nuclei.csv summary.csv run.json report.html
    cd ..

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        napari-unet-nuclei: \$(napari-unet-nuclei --version | sed 's/napari-unet-nuclei //')
    END_VERSIONS
    """
}
